"""What the benchmark has to know of a membership system."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tests.bench.gossip.sightings import Seen

PORT = 7946
ZONES = ("zone-a", "zone-b", "zone-c")


@dataclass(frozen=True, slots=True)
class Host:
    """A node before it is started. `seeds`: addresses of others that it is told of. `directory`: its own."""

    name: str
    address: str
    zone: str
    seeds: tuple[str, ...]
    key: bytes
    directory: Path


@dataclass(frozen=True, slots=True)
class Said:
    """A line that says a member's state. `stamped_s`: the line's own time since the epoch; None when it is coarse."""

    subject: str
    state: Seen
    stamped_s: float | None = None


class System(Protocol):
    """`name` is for options and namespaces, `title` for people. `start_gap_s`: between two starts of a whole mesh,
    so that they do not starve each other.
    """

    @property
    def name(self) -> str: ...

    @property
    def title(self) -> str: ...

    @property
    def start_gap_s(self) -> float: ...

    def missing(self) -> str | None:
        """How to install it; None when it is here."""

    def version(self) -> str:
        """For the report."""

    def command(self, host: Host) -> Sequence[str]:
        """Write what the node needs into its directory, and say how to start it. Its log goes to its output."""

    def read(self, line: bytes) -> Said | None:
        """What a line of the log says of a member; None for any other."""

    def role(self, command_line: str) -> str:
        """Which of a node's processes this is, for CPU by process."""
