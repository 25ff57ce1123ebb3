"""What `chaos discover lbmesh-chaos` finds: every action and probe, with its arguments."""

from importlib.metadata import version
from typing import Any

from chaoslib.discovery.discover import discover_actions, discover_probes, initialize_discovery_result

from lbmesh_chaos.lab.start import labs
from lbmesh_chaos.toolkit.check import ACTIONS, PROBES

DISTRIBUTION = "lbmesh-chaos"


def discover(*, discover_system: bool = True) -> dict[str, Any]:
    """In the Chaos Toolkit's form. `discover_system`: with the labs that are up."""
    found: dict[str, Any] = dict(initialize_discovery_result(DISTRIBUTION, version(DISTRIBUTION), "lbmesh"))
    found["activities"] = [*discover_actions(ACTIONS), *discover_probes(PROBES)]
    if discover_system:
        found["system"] = {"labs": labs()}
    return found
