"""A flow: a stream of like requests from one client, due at a constant rate, answered or not."""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What sends the requests."""

    KEPT = "kept"
    """A plain client that keeps its connections."""
    FRESH = "fresh"
    """A plain client with a new connection for each request."""
    MESH_SYNC = "mesh-sync"
    """`lbmesh.client.MeshTransport`, in threads."""
    MESH_ASYNC = "mesh-async"
    """`lbmesh.client.AsyncMeshTransport`, on trio."""

    @property
    def is_plain(self) -> bool:
        """It knows one service address at a time and never asks again."""
        return self in (Kind.KEPT, Kind.FRESH)


class Method(StrEnum):
    """What is asked, and so what doing it twice means."""

    GET = "get"
    """Idempotent by its method: whoever is on the way may send it again."""
    KEYED_POST = "keyed-post"
    """A POST with an Idempotency-Key: done twice it is a replay, which the application can tell."""
    POST = "post"
    """Done twice, it is a fault of the service."""

    @property
    def is_idempotent(self) -> bool:
        """By RFC 9110 §9.2.2. A key changes nothing for those on the way, so an unanswered POST stays unknown."""
        return self is Method.GET

    @property
    def may_be_replayed(self) -> bool:
        """Done twice, no harm is done."""
        return self is not Method.POST


class Body(StrEnum):
    """The long way's body: a GET's comes back, a POST's goes out."""

    SMALL = "small"
    """At once, some hundred bytes."""
    STREAM = "stream"
    """In pieces with pauses, chunked."""


@dataclass(frozen=True, slots=True)
class Flow:
    """`name`: unlike that of any other flow; letters, digits and hyphens. `rate`: requests a second. `run`: digits that
    tell its requests from those of the same flow in an earlier drill, which may still be on their way.
    """

    name: str
    zone: str
    kind: Kind
    method: Method = Method.GET
    body: Body = Body.SMALL
    rate: float = 10.0
    run: str = ""

    @property
    def stem(self) -> str:
        """What its requests' ids begin with."""
        return f"{self.name}-{self.run}" if self.run else self.name
