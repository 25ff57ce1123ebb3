"""The JSON of /v1/drill: the faults that a node does to itself when a drill orders them, where its operator allows it.

GET /v1/drill          {"allowed": true, "standing": [{"fault": "freeze", "part": "agent", "for_at_most_s": 12.3}]}
POST /v1/drill/apply   {"fault": "kill", "part": "forwarder", "at_most_s": 30}
POST /v1/drill/heal    {}: undo all that stand
POST /v1/drill/abort   {}: undo all, and refuse every order for `ABORTED_S`: the button for whoever wants it to end

What a node cannot take back by itself it is not asked to do: cutting its network, filling its disk, setting its clock.
"""

import json
from dataclasses import dataclass
from enum import StrEnum

DRILL_PATH = "/v1/drill"
AT_MOST_MAX_S = 600.0
"""No fault stands longer, whatever becomes of who ordered it."""
ABORTED_S = 600.0


class DrillFault(StrEnum):
    """What a node does to itself."""

    KILL = "kill"
    """SIGKILL. The sentinel starts it again."""
    FREEZE = "freeze"
    """SIGSTOP, and SIGCONT in time. The sentinel kills what it finds hung, and starts it again."""
    RELOAD = "reload"
    """SIGHUP to the sentinel: read the configuration again."""
    LEAVE = "leave"
    """SIGTERM to the sentinel: leave the mesh, drain, end. Only the service manager starts it again."""


class DrillPart(StrEnum):
    """Which processes of the node."""

    AGENT = "agent"
    FORWARDER = "forwarder"
    """That with the lowest process id."""
    FORWARDERS = "forwarders"
    SENTINEL = "sentinel"


_PARTS = {
    DrillFault.KILL: (DrillPart.AGENT, DrillPart.FORWARDER, DrillPart.FORWARDERS),
    DrillFault.FREEZE: (DrillPart.AGENT, DrillPart.FORWARDER, DrillPart.FORWARDERS),
    DrillFault.RELOAD: (DrillPart.SENTINEL,),
    DrillFault.LEAVE: (DrillPart.SENTINEL,),
}


@dataclass(frozen=True, slots=True)
class DrillOrder:
    """A fault that may be done."""

    fault: DrillFault
    part: DrillPart
    at_most_s: float


@dataclass(frozen=True, slots=True)
class DrillStanding:
    """A fault that will be undone, in `for_at_most_s` at the latest."""

    fault: DrillFault
    part: DrillPart
    for_at_most_s: float


def read_drill_order(body: bytes) -> DrillOrder | str:
    """The order in a body, or what is wrong with it."""
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        return 'the body is not JSON: send {"fault": "kill", "part": "agent", "at_most_s": 30}'
    if not isinstance(fields, dict) or fields.keys() != {"fault", "part", "at_most_s"}:
        return 'the body must be an object with "fault", "part" and "at_most_s", and no more'
    try:
        fault = DrillFault(str(fields["fault"]))
    except ValueError:
        return f'"fault" must be one of {", ".join(DrillFault)}'
    if fields["part"] not in _PARTS[fault]:
        return f'"part" of {fault} must be one of {", ".join(_PARTS[fault])}'
    at_most_s = fields["at_most_s"]
    if isinstance(at_most_s, bool) or not isinstance(at_most_s, int | float) or not 0 < at_most_s <= AT_MOST_MAX_S:
        return f'"at_most_s" must be a number above 0, and at most {AT_MOST_MAX_S:g}'
    return DrillOrder(fault, DrillPart(fields["part"]), float(at_most_s))
