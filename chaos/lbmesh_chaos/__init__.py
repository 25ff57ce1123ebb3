"""Drills for lbmesh: a world of network namespaces, faults that are undone, and what clients lost, counted."""
