"""The seeded simulation of whole control planes: the real cores on simulated time, network and replicas."""
