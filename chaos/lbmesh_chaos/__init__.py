"""Drills for lbmesh: a world of network namespaces, faults that are undone, and what clients lost, counted."""

from typing import Any


def discover(discover_system: bool = True) -> dict[str, Any]:
    """What the Chaos Toolkit finds here: `chaos discover lbmesh-chaos`."""
    from lbmesh_chaos.toolkit.discovery import discover as found

    return found(discover_system=discover_system)
