"""How an exchange can fail: the access log's word, the answer to the client, whose fault it is."""

from enum import Enum, auto
from typing import NamedTuple


class Fault(Enum):
    """Who is to blame, so that only a replica's own failures count against it."""

    REPLICA = auto()
    CLIENT = auto()
    CONFIGURATION = auto()
    NODE = auto()


class Stage(Enum):
    """How far the attempt had come, which decides whether it may be repeated.

    NOT_SENT: no byte of the request left this node. SENT: some did.
    ANSWERED: a byte of the response went to the client.
    """

    NOT_SENT = auto()
    SENT = auto()
    ANSWERED = auto()


class Failure(NamedTuple):
    """`reason`: the word in the access log and the metrics. `status`: what the client gets, if nothing was sent yet."""

    reason: str
    status: int
    fault: Fault

    @property
    def answerable(self) -> bool:
        """False when there is nobody left to tell: 499 stands in the log only."""
        return self.status != 499


NO_ROUTE = Failure("no_route", 404, Fault.CONFIGURATION)
AMBIGUOUS_PATH = Failure("ambiguous_path", 400, Fault.CLIENT)
NO_REPLICA = Failure("no_replica", 503, Fault.REPLICA)
CONNECT_REFUSED = Failure("connect_refused", 503, Fault.REPLICA)
CONNECT_TIMEOUT = Failure("connect_timeout", 503, Fault.REPLICA)
CONNECT_FAILED = Failure("connect_failed", 503, Fault.REPLICA)
TLS_HANDSHAKE = Failure("tls_handshake", 502, Fault.REPLICA)
BAD_CERTIFICATE = Failure("bad_certificate", 502, Fault.REPLICA)
RESPONSE_TIMEOUT = Failure("response_timeout", 504, Fault.REPLICA)
UPSTREAM_CLOSED = Failure("upstream_closed", 502, Fault.REPLICA)
UPSTREAM_RESET = Failure("upstream_reset", 502, Fault.REPLICA)
UPSTREAM_IDLE = Failure("upstream_idle", 504, Fault.REPLICA)
BAD_RESPONSE = Failure("bad_response", 502, Fault.REPLICA)
CLIENT_CLOSED = Failure("client_closed", 499, Fault.CLIENT)
CLIENT_IDLE = Failure("client_idle", 408, Fault.CLIENT)
BODY_TOO_LARGE = Failure("body_too_large", 413, Fault.CLIENT)
REQUEST_TIMEOUT = Failure("request_timeout", 504, Fault.REPLICA)
CLIENT_SLOW = Failure("client_slow", 408, Fault.CLIENT)
BAD_BODY = Failure("bad_request", 400, Fault.CLIENT)
OVERLOADED = Failure("overloaded", 503, Fault.NODE)
QUEUE_FULL = Failure("queue_full", 503, Fault.NODE)
QUEUE_TIMEOUT = Failure("queue_timeout", 503, Fault.NODE)
REPLICA_DOWN = Failure("replica_down", 503, Fault.REPLICA)
DRAINED = Failure("drained", 503, Fault.NODE)
INTERNAL = Failure("internal_error", 500, Fault.NODE)

STATUSES_OF_REQUESTS = frozenset({501, 505})
"""Server errors by number, but it is the request that asks for what no sibling of the replica has either (RFC 9110
§15.6.2, §15.6.6).
"""

STATUSES_OF_LOAD = frozenset({429, 503})
"""Too much is asked of the replica, which may say for how long (RFC 6585 §4, RFC 9110 §15.6.4)."""

STALE = (UPSTREAM_CLOSED, UPSTREAM_RESET)
"""How a pooled connection ends that the replica closed just as it was used again: nobody's fault."""

CONNECT_FAILURES = frozenset({CONNECT_REFUSED, CONNECT_TIMEOUT, CONNECT_FAILED, TLS_HANDSHAKE, BAD_CERTIFICATE})
