"""The control plane's core: folds inputs through gossip, health and routing into one View."""
