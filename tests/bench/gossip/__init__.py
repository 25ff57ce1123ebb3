"""lbmesh's gossip beside serf: real nodes, each in a network namespace of its own, under the same faults."""
