"""Health probes: each order on a connection of its own, bounded in time and bytes, always answered."""
