"""What can go wrong between a node and EC2, in words that say what to do."""

from enum import Enum, auto


class Fault(Enum):
    """WAITS: nothing was asked yet, for it is not this front's turn. THROTTLED: too many calls, of the whole account.
    ILL: EC2 has failed by itself, lies, or takes long. CHANGED: something is not as it was seen. OTHER: all else.
    """

    WAITS = auto()
    THROTTLED = auto()
    ILL = auto()
    CHANGED = auto()
    OTHER = auto()


class Ec2Error(Exception):
    """EC2 did not do it. The words are for `lbmesh status`."""

    def __init__(self, words: str, fault: Fault = Fault.OTHER) -> None:
        super().__init__(words)
        self.fault = fault


_THROTTLED = frozenset({"RequestLimitExceeded", "Throttling", "ThrottlingException", "RequestThrottled", "SlowDown"})

_CHANGED = frozenset(
    {
        "Resource.AlreadyAssociated",
        "InvalidAssociationID.NotFound",
        "RouteAlreadyExists",
        "InvalidRoute.NotFound",
        "PrivateIpAddressInUse",
        "InvalidParameterValue",
    }
)
"""What another's call in between makes of ours. InvalidParameterValue: a route or an address that is not there any
more; who looks again finds out whether it was that.
"""

_CREDENTIALS = frozenset(
    {"AuthFailure", "ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "SignatureDoesNotMatch"}
)

_ABSENT = {
    "InvalidAllocationID.NotFound": "elastic address",
    "InvalidSubnetID.NotFound": "subnet",
    "InvalidRouteTableID.NotFound": "route table",
    "InvalidNetworkInterfaceID.NotFound": "interface",
}

WORDS_MAX = 240
_SERVER_ERRORS = 500


def refusal(action: str, code: str, message: str, status: int) -> Ec2Error:
    """What EC2 answered. `code`: of its error; `message`: its own words; `status`: of HTTP."""
    text = "".join(one if one.isprintable() else "?" for one in message[:WORDS_MAX])
    if code in _THROTTLED:
        return Ec2Error(f"EC2 is called too often by this account ({code}): it is asked again later", Fault.THROTTLED)
    if code in _CHANGED:
        return Ec2Error(f"{action} was refused: {text} ({code})", Fault.CHANGED)
    if code == "UnauthorizedOperation":
        return Ec2Error(f"no right to call {action}: allow ec2:{action} to the node's role (docs/FRONTS-CLOUD.md)")
    if code in _CREDENTIALS:
        return Ec2Error(f"EC2 does not accept the credentials ({code}): renew them, or give the instance a role")
    if code == "RequestExpired":
        return Ec2Error(f"EC2 takes the request for an old one ({code}): set the clock, or renew the credentials")
    if code in _ABSENT:
        return Ec2Error(f"EC2 has no such {_ABSENT[code]}: correct options.{_option(code)} ({text})")
    if status >= _SERVER_ERRORS:
        return Ec2Error(f"EC2 itself has failed, at {action}: {text} ({code})", Fault.ILL)
    return Ec2Error(f"{action} failed: {text} ({code})")


def _option(code: str) -> str:
    return "interfaces" if code.startswith("InvalidNetworkInterface") else "resource"
