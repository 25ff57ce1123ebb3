"""Who takes over from whom, and when: pure, like the other cores."""
