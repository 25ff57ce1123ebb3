"""Handshakes of clients: a few a round, so that those who come do not hold up those who are served; and their count."""

import ssl
from collections import Counter, deque
from time import monotonic
from typing import Protocol

import structlog

from lbmesh.forwarder.reactor import Reactor

HANDSHAKES_PER_ROUND = 4
"""Steps of handshakes between two looks at the sockets: with ECDSA P-256 one takes 0.2 ms, with RSA 2048 0.9 ms."""

LOG_GAP_S = 10.0
"""Failed handshakes of one reason are logged once in this time; the counter has them all."""

_REASONS = {
    "NO_SHARED_CIPHER": "no_shared_cipher",
    "NO_SUITABLE_KEY_SHARE": "no_shared_cipher",
    "NO_SHARED_GROUPS": "no_shared_cipher",
    "NO_SUITABLE_SIGNATURE_ALGORITHM": "no_shared_cipher",
    "UNSUPPORTED_PROTOCOL": "unsupported_version",
    "VERSION_TOO_LOW": "unsupported_version",
    "INAPPROPRIATE_FALLBACK": "unsupported_version",
    "CALLBACK_FAILED": "unknown_name",
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "no_client_certificate",
    "CERTIFICATE_VERIFY_FAILED": "bad_client_certificate",
}
REASONS = (
    "plain_http",
    "not_tls",
    "closed",
    "timeout",
    "drained",
    "overloaded",
    "certificate_refused",
    "client_alert",
    "malformed",
    *dict.fromkeys(_REASONS.values()),
)
"""Why handshakes fail. certificate_refused: the client does not take ours; client_alert: it has another reason."""

_CERTIFICATE_ALERTS = ("UNKNOWN_CA", "CERTIFICATE", "UNKNOWN_PSK")

log = structlog.get_logger(__name__)


def failure_reason(error: ssl.SSLError) -> str:
    """OpenSSL's reason as one of REASONS."""
    reason = error.reason or ""
    if "ALERT" in reason:
        refused = any(word in reason for word in _CERTIFICATE_ALERTS)
        return "certificate_refused" if refused else "client_alert"
    return _REASONS.get(reason, "malformed")


class Shaking(Protocol):
    """A connection that shakes hands."""

    closed: bool

    def step_handshake(self) -> None:
        """Read what has come and go on."""

    def on_crash(self) -> None:
        """A bug of ours."""


class Handshakes:
    """The queue of those that have something to go on with, first come first served. A handler of the reactor."""

    urgent = False

    __slots__ = ("_logged_at", "_reactor", "_stepped", "_waiting", "done", "failed", "resumed")

    def __init__(self, reactor: Reactor) -> None:
        self._reactor = reactor
        self._waiting: deque[Shaking] = deque()
        self._stepped: Shaking | None = None
        self._logged_at: dict[str, float] = {}
        self.done = 0
        self.resumed = 0
        self.failed: Counter[str] = Counter()

    def add(self, connection: Shaking) -> None:
        """Step this connection soon."""
        if not self._waiting:
            self._reactor.again(self)
        self._waiting.append(connection)

    def on_ready(self, events: int) -> None:
        """One round."""
        del events
        waiting = self._waiting
        for _ in range(min(len(waiting), HANDSHAKES_PER_ROUND)):
            self._stepped = waiting.popleft()
            if not self._stepped.closed:
                self._stepped.step_handshake()
        self._stepped = None
        if waiting:
            self._reactor.again(self)

    def on_crash(self) -> None:
        """A bug in one handshake ends its connection; the others go on."""
        stepped, self._stepped = self._stepped, None
        if self._waiting:
            self._reactor.again(self)
        if stepped is not None:
            stepped.on_crash()

    def fail(self, reason: str, client: str, detail: str) -> None:
        """Count a failure, and log the first of its kind for a while."""
        self.failed[reason] += 1
        now = monotonic()
        if now - self._logged_at.get(reason, -LOG_GAP_S) >= LOG_GAP_S:
            self._logged_at[reason] = now
            log.warning(
                "a TLS handshake failed", reason=reason, client=client, detail=detail, so_far=self.failed[reason]
            )
