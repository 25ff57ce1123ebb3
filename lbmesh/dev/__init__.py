"""`lbmesh dev`: a whole mesh of three zones on one machine's loopback addresses, with traffic and drills."""

from lbmesh.dev.cli import main

__all__ = ["main"]
