"""Handshakes of clients that are over: how many were done, and why the others failed."""

import ssl
from collections import Counter
from time import monotonic

import structlog

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


class Handshakes:
    """How clients' handshakes ended."""

    __slots__ = ("_logged_at", "done", "failed", "resumed")

    def __init__(self) -> None:
        self._logged_at: dict[str, float] = {}
        self.done = 0
        self.resumed = 0
        self.failed: Counter[str] = Counter()

    def fail(self, reason: str, client: str, detail: str) -> None:
        """Count a failure, and log the first of its kind for a while."""
        self.failed[reason] += 1
        now = monotonic()
        if now - self._logged_at.get(reason, -LOG_GAP_S) >= LOG_GAP_S:
            self._logged_at[reason] = now
            log.warning(
                "a TLS handshake failed", reason=reason, client=client, detail=detail, so_far=self.failed[reason]
            )
