"""What a node remembers over a restart: its last picture of the replicas, and where its peers were. Pure; the file
is `agent.memory_file`'s.

The first line names the format, the second holds a checksum of the rest: one JSON value a line, for a thread that
encodes a single big one would not let the agent's loop run. Times are Unix seconds: monotonic ones mean nothing after
a reboot. They are shown to people and compared with nothing.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import MISSING, dataclass, fields
from datetime import UTC, datetime
from typing import Any

from lbmesh.config.settings import Settings
from lbmesh.model.address import Address, parse_address
from lbmesh.model.health import Availability
from lbmesh.model.service import HealthCheck, ReplicaId
from lbmesh.model.view import View

FORMAT = 1
MEMORY_BYTES_MAX = 8 * 1024 * 1024
"""A larger file is not read; what the bounds below let through is smaller."""

REPLICAS_MAX = 8192
"""Replicas that are remembered; those that are down first."""

PEERS_MAX = 32
"""Addresses that are remembered, and dialled at the next start: half of what gossip takes as seeds."""

REASON_CHARACTERS_MAX = 128
PICTURE_AGE_MAX_S = 600.0
"""An older picture is not used: by then replicas were deployed anew, and probes find out within seconds."""

CLOCK_BACK_MAX_S = 60.0
"""A file from further in the future was written under another clock, and nobody knows how old it is."""

_MAGIC = b"lbmesh memory "
_UNIX_MAX_S = 2.0**32
_INHERITED = "inherited from "
_REMEMBERED = "remembered from "


@dataclass(frozen=True, slots=True)
class RememberedReplica:
    """A replica that was up or down, since when and why. `since_s`: Unix seconds."""

    id: ReplicaId
    availability: Availability
    since_s: float
    reason: str

    def __str__(self) -> str:
        since = datetime.fromtimestamp(self.since_s, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
        return f"{_REMEMBERED}before the restart, {self.availability} since {since}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Memory:
    """What is on disk. `checks`: by service, the fingerprint of the health check that the picture rests on;
    `peers`: where other members were reached.
    """

    node: str
    zone: str
    checks: tuple[tuple[str, str], ...]
    replicas: tuple[RememberedReplica, ...]
    peers: tuple[Address, ...]


def fingerprint(check: HealthCheck) -> str:
    """The same for checks that ask the same, in any release: what has its default is left out."""
    said = {
        each.name: getattr(check, each.name)
        for each in fields(check)
        if each.default is MISSING or getattr(check, each.name) != each.default
    }
    return hashlib.blake2b(repr(sorted(said.items())).encode(), digest_size=8).hexdigest()


def memorise(settings: Settings, view: View, peers: Iterable[Address], before: Memory | None, unix_s: float) -> Memory:
    """What is worth remembering of a View and of the members. What `before` knew alike keeps its time."""
    checks = {service.name: fingerprint(service.health) for service in settings.services if service.health}
    known = {one.id: one for one in before.replicas} if before else {}
    replicas = []
    for service in view.services:
        if service.name not in checks:
            continue
        for one in service.replicas:
            if one.availability is Availability.UNKNOWN:
                continue
            replica = ReplicaId(service.name, one.replica.address)
            was = known.get(replica)
            if was is None or was.availability is not one.availability:
                was = RememberedReplica(replica, one.availability, unix_s, first_reason(one.reason))
            replicas.append(was)
    if len(replicas) > REPLICAS_MAX:
        replicas.sort(key=lambda one: one.availability is not Availability.DOWN)
    return Memory(
        node=settings.node.name,
        zone=settings.node.zone,
        checks=tuple(checks.items()),
        replicas=tuple(replicas[:REPLICAS_MAX]),
        peers=tuple(dict.fromkeys(peers))[:PEERS_MAX],
    )


def first_reason(reason: str) -> str:
    """A reason without the marks of those it was handed on by, so that it does not grow with each restart."""
    while reason.startswith((_INHERITED, _REMEMBERED)) and ": " in reason:
        _, _, reason = reason.partition(": ")
    return reason[:REASON_CHARACTERS_MAX].encode(errors="replace").decode()


def recall(memory: Memory, settings: Settings) -> Iterator[RememberedReplica]:
    """What still holds: replicas whose service is checked as it was then."""
    checks = {service.name: fingerprint(service.health) for service in settings.services if service.health}
    same = {name for name, known in memory.checks if checks.get(name) == known}
    return (one for one in memory.replicas if one.id.service in same)


def is_recent(age_s: float) -> bool:
    """May a picture that last held so long ago be used?"""
    return -CLOCK_BACK_MAX_S <= age_s <= PICTURE_AGE_MAX_S


def encode_memory(memory: Memory) -> bytes:
    """The file's content."""
    head = {
        "node": memory.node,
        "zone": memory.zone,
        "checks": dict(memory.checks),
        "peers": list(map(str, memory.peers)),
    }
    rows = ([one.id.service, str(one.id.address), one.availability, one.since_s, one.reason] for one in memory.replicas)
    body = b"".join(json.dumps(value, separators=(",", ":")).encode() + b"\n" for value in (head, *rows))
    return b"%b%d\n%b\n%b" % (_MAGIC, FORMAT, _checksum(body), body)


def decode_memory(data: bytes, node: str, zone: str) -> Memory | str:
    """The memory of this node, or why this is none. Any bytes may come."""
    if len(data) > MEMORY_BYTES_MAX:
        return f"it is larger than {MEMORY_BYTES_MAX} bytes"
    head, _, rest = data.partition(b"\n")
    if not head.startswith(_MAGIC):
        return "it is no memory of an lbmesh node"
    if head != b"%b%d" % (_MAGIC, FORMAT):
        return f"it is of format {head.removeprefix(_MAGIC)[:8].decode('ascii', 'replace')}, and not {FORMAT}"
    checksum, _, body = rest.partition(b"\n")
    if checksum != _checksum(body):
        return "its checksum is wrong: it was cut short, damaged or edited"
    try:
        memory = _memory(body)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError) as error:
        return f"its content has another shape: {error!r:.80}"
    if (memory.node, memory.zone) != (node, zone):
        return f'it belongs to node "{memory.node:.64}" in zone "{memory.zone:.64}"'
    return memory


def _checksum(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=16).hexdigest().encode()


def _memory(body: bytes) -> Memory:
    head, *rows = map(json.loads, body.splitlines())
    if len(rows) > REPLICAS_MAX or len(head["peers"]) > PEERS_MAX:
        raise ValueError("more than may be in it")
    return Memory(
        node=_text(head["node"]),
        zone=_text(head["zone"]),
        checks=tuple((_text(name), _text(known)) for name, known in head["checks"].items()),
        replicas=tuple(map(_replica, rows)),
        peers=tuple(parse_address(_text(address)) for address in head["peers"]),
    )


def _replica(row: Any) -> RememberedReplica:
    service, address, availability, since_s, reason = row
    if isinstance(since_s, bool) or not isinstance(since_s, int | float) or not 0 <= since_s <= _UNIX_MAX_S:
        raise ValueError("a time that is none")
    return RememberedReplica(
        ReplicaId(_text(service), parse_address(_text(address))),
        Availability(_text(availability)),
        float(since_s),
        _text(reason)[:REASON_CHARACTERS_MAX],
    )


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{type(value).__name__} instead of a text")
    value.encode()  # Half a surrogate pair, which JSON can hold, raises ValueError.
    return value
