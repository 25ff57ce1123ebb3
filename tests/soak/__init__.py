"""A node under mixed traffic for minutes or hours, with a reload each second and replicas that come, go and die."""
