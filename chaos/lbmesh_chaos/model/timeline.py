"""What happened during a drill, and who says so."""

from dataclasses import dataclass
from enum import StrEnum


class What(StrEnum):
    """The marks of a drill's one timeline."""

    APPLIED = "fault applied"
    HEALED = "fault undone"
    SUSPECTED = "suspected"
    """One observer's own doubt."""
    AGREED = "agreed down"
    """The mesh, in this observer's view, holds the subject for down, gone or ejected."""
    CLEARED = "agreed up"
    """The mesh, in this observer's view, holds the subject for alive again."""
    EJECTED = "ejected"
    """A replica was taken out of service by this observer."""
    READY = "answers again"
    """All that a fault had ended."""
    FIRST_LOST = "first lost request"
    DIVERTED = "none lost any more"
    """The hole ended that the fault tore before its heal."""
    MOVED = "traffic moved"
    """Off every struck host that traffic left at all."""
    BACK = "traffic back"
    RECOVERED = "recovered"
    """The hole ended that was there at the heal, or came after it."""
    NOTE = "note"


@dataclass(frozen=True, slots=True, order=True)
class Event:
    """`at_s`: monotonic, seconds. `subject`: the host, zone or fault it is about. `observer`: who says so; "" for the
    drill itself.
    """

    at_s: float
    what: What
    subject: str
    observer: str = ""
    detail: str = ""
