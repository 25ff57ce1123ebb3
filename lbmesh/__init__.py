"""lbmesh: a self-healing, multi-zone HTTP load balancer."""

__version__ = "0.1.0"
