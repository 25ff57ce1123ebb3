"""What an agent and its forwarders say to each other: one JSON object a line over a local stream socket.

Agent to forwarder: Views (see `view_codec`). Forwarder to agent: `Hello`, then the View it serves from, if it
has one (a new agent inherits it), then `Viewed`, `ReplicaFailure` and `Telemetry` as they come up.
Counters are cumulative since the forwarder started, so that a lost line costs nothing.
"""

import json
from dataclasses import asdict, dataclass
from typing import Any, assert_never

from lbmesh.model.address import Address
from lbmesh.model.service import ReplicaId
from lbmesh.model.view import ViewVersion

LINE_BYTES_MAX = 1024 * 1024
"""A longer line on the link is a bug of ours; the reader closes the link."""


@dataclass(frozen=True, slots=True)
class Hello:
    """The forwarder's first line."""

    worker: int
    pid: int


@dataclass(frozen=True, slots=True)
class Viewed:
    """The forwarder now serves from this View."""

    version: ViewVersion


@dataclass(frozen=True, slots=True)
class ReplicaFailure:
    """Passive evidence, sent at once (at most one each 100 ms for a replica): a request to it failed.

    `reason`: the access log's word for the failure, such as "connect_refused". `after_answer`: the replica has answered
    others since its last failure that was reported.
    """

    replica: ReplicaId
    reason: str
    after_answer: bool = False


@dataclass(frozen=True, slots=True)
class ReplicaTelemetry:
    """One replica's counters and gauges in one forwarder. `ewma_s`: peak-EWMA of the response time. `errors`: attempts
    that did not fail, yet speak against the replica when they are more than at its siblings: answers from 500 on but
    501 and 505, and clients that left before any answer.
    """

    replica: ReplicaId
    requests: int
    failures: int
    responses_5xx: int
    in_flight: int
    ewma_s: float
    errors: int = 0


@dataclass(frozen=True, slots=True)
class RequestTelemetry:
    """The duration histogram of requests with these labels. `buckets`: (bucket index, count), ascending,
    indices as `observe.histogram` defines them; `sum_s`: all durations added up.
    """

    service: str
    method: str
    status: int
    reason: str
    count: int
    sum_s: float
    buckets: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Telemetry:
    """One forwarder's figures, sent every second and before it ends."""

    worker: int
    pid: int
    version: ViewVersion | None
    connections: int
    active_requests: int
    accepted: int
    access_log_dropped: int
    requests: tuple[RequestTelemetry, ...]
    replicas: tuple[ReplicaTelemetry, ...]


LinkMessage = Hello | Viewed | ReplicaFailure | Telemetry


def encode_message(message: LinkMessage) -> bytes:
    """One line, with its newline."""
    match message:
        case Hello():
            kind = "hello"
        case Viewed():
            kind = "viewed"
        case ReplicaFailure():
            kind = "replica_failure"
        case Telemetry():
            kind = "telemetry"
        case _:
            assert_never(message)
    return json.dumps({"kind": kind, **asdict(message)}, separators=(",", ":")).encode() + b"\n"


def decode_message(line: bytes) -> LinkMessage | None:
    """The message on this line; None when the line is part of a View. Raises ValueError when it is neither."""
    try:
        fields: dict[str, Any] = json.loads(line)
        kind = fields.pop("kind")
        match kind:
            case "hello":
                return Hello(**fields)
            case "viewed":
                return Viewed(ViewVersion(**fields["version"]))
            case "replica_failure":
                return ReplicaFailure(_replica_id(fields["replica"]), fields["reason"], bool(fields["after_answer"]))
            case "telemetry":
                return _telemetry(fields)
            case str() if kind.startswith("view"):
                return None
            case _:
                raise ValueError(f'a link message of unknown kind "{kind}"')
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"a malformed link message: {error!r}") from error


def _replica_id(fields: dict[str, Any]) -> ReplicaId:
    return ReplicaId(fields["service"], Address(**fields["address"]))


def _telemetry(fields: dict[str, Any]) -> Telemetry:
    version = fields.pop("version")
    requests = fields.pop("requests")
    replicas = fields.pop("replicas")
    return Telemetry(
        version=ViewVersion(**version) if version else None,
        requests=tuple(
            RequestTelemetry(**{**request, "buckets": tuple((index, count) for index, count in request["buckets"])})
            for request in requests
        ),
        replicas=tuple(
            ReplicaTelemetry(**{**replica, "replica": _replica_id(replica["replica"])}) for replica in replicas
        ),
        **fields,
    )
