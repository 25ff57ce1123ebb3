"""The world made real, in one process that the kernel clears away."""
