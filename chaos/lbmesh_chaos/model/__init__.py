"""The frozen vocabulary: the world, and what happens in it."""
