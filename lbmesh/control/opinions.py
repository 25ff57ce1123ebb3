"""Opinions as gossip rows: the key names the replica, the row's owner is the observer.

`opinion:<service>/<address>` → {"up": bool, "why": text}. A row stands until its owner takes it back, and counts
while the owner is trusted.
"""

import json
from typing import Any

from lbmesh.model.address import parse_address
from lbmesh.model.health import Opinion
from lbmesh.model.service import ReplicaId

KEY_PREFIX = "opinion:"
KEY_BYTES_MAX = 200
"""Gossip's bound on keys. A replica whose name is longer keeps its opinions at home."""

REASON_CHARACTERS_MAX = 48
"""Gossip allows 512 bytes a value, and JSON may write a character as six."""


def opinion_key(replica: ReplicaId) -> str | None:
    """The row's key; None when it would be too long to be shared."""
    key = f"{KEY_PREFIX}{replica}"
    return key if len(key.encode()) <= KEY_BYTES_MAX else None


def opinion_value(opinion: Opinion) -> bytes:
    """The row's value."""
    why = opinion.reason[:REASON_CHARACTERS_MAX]
    return json.dumps({"up": opinion.up, "why": why}, separators=(",", ":")).encode()


def parse_replica(key: str) -> ReplicaId | None:
    """The replica a row is about; None for a row that is no opinion."""
    service, separator, address = key.removeprefix(KEY_PREFIX).rpartition("/")
    if not key.startswith(KEY_PREFIX) or not separator:
        return None
    try:
        return ReplicaId(service, parse_address(address))
    except ValueError:
        return None


def parse_opinion(replica: ReplicaId, value: bytes, *, observer: str, zone: str, at_s: float) -> Opinion | None:
    """A peer's opinion; None when the row is malformed. A hostile peer may have written it."""
    try:
        fields: Any = json.loads(value)
        up, why = fields["up"], fields["why"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    if not isinstance(up, bool) or not isinstance(why, str):
        return None
    return Opinion(observer, zone, replica, up, at_s, why[:REASON_CHARACTERS_MAX])
