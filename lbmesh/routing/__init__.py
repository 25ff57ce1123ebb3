"""Where a request goes: compiled routes, zones, balancing policies. Pure: randomness is an argument."""
