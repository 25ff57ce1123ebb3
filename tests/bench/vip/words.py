"""What the client, the origin and the figures of one round agree on."""

from dataclasses import dataclass

PATIENCE_S = 1.3
"""A request without an answer or an error for so long hangs: a lost SYN is sent again after a second."""

RATE = {"fresh": 100, "kept": 100}
"""Requests a second, of which each second one is a POST: each over a connection of its own, and over kept ones."""

_BODY_BYTES = 4096


def body_of(marked: str) -> bytes:
    """An answer that is of this request from its first byte to its last."""
    line = f"{marked}\n".encode()
    return (line * (_BODY_BYTES // len(line) + 1))[:_BODY_BYTES]


@dataclass(frozen=True, slots=True)
class Request:
    """`outcome`: "ok", "mixed" (an answer that is not of this request), "hung", or an error in words. `due_s` and
    `ended_s`: of the monotonic clock. `node`: which served it, 0 for none.
    """

    kind: str
    due_s: float
    ended_s: float
    outcome: str
    node: int

    @property
    def has_failed(self) -> bool:
        """It was not answered as it must."""
        return self.outcome != "ok"
