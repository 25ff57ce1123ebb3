"""One body's move to another answer, when its own broke off or fell silent.

Pure: says what to do next, and is told what came of it; both transports' bodies are shells around this.
"""

from dataclasses import dataclass
from enum import Enum, auto

from lbmesh.client.attempts import Answered
from lbmesh.client.resumption import Continuation, DiffersError, Fields, Resumption


@dataclass(frozen=True, slots=True)
class Ask:
    """Let go of the answer that was read last, and send the request again, with these fields besides."""

    after: Answered
    fields: list[tuple[bytes, bytes]]


class Do(Enum):
    """The rest of what can be next."""

    READ = auto()
    """The next part of that answer's body."""
    GIVE_UP = auto()
    """No other answer can go on with this body."""


@dataclass(frozen=True, slots=True)
class GoOn:
    """From here the body comes from that answer. `new`: read of it already, beyond what the caller has."""

    new: bytes


class Takeover:
    """Asks until an answer has caught up, or none can."""

    __slots__ = ("_continuation", "_new", "_resumption", "_what")

    def __init__(self, resumption: Resumption, what: str) -> None:
        """`what` the balancer did, as words that follow its address."""
        self._resumption = resumption
        self._what: str | None = what
        self._continuation: Continuation | None = None
        self._new = b""

    def step(self) -> Ask | Do | GoOn:
        """What to do next."""
        if not self._resumption.is_open:
            return Do.GIVE_UP
        if self._what is not None:
            what, self._what = self._what, None
            return Ask(self._resumption.broke(what), self._resumption.asks())
        if self._continuation is None:
            return Do.GIVE_UP
        return GoOn(self._new) if self._continuation.has_caught_up else Do.READ

    def answered(self, report: Answered, status: int, fields: Fields) -> None:
        """The head of another answer is here. Without this after an Ask, there was none."""
        self._continuation = self._resumption.goes_on(report, status, fields)
        self._resumption.is_open = self._continuation is not None

    def read(self, part: bytes) -> None:
        """A part of its body; b"" at the end."""
        assert self._continuation is not None
        try:
            if not part:
                self._continuation.end()
            self._new = self._continuation.take(part)
        except DiffersError:
            self._resumption.is_open = False

    def broke(self, what: str) -> None:
        """That answer broke off, too."""
        self._what, self._continuation = what, None
