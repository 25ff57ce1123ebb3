"""How a replica of the lab behaves: well, or as a file tells it, which it looks at before each batch of requests.

The file is JSON: an object with fields of `Behaviour`; when there is none, the replica is well. Write it beside its
place and rename it there. A file that cannot be understood is refused by the replica's death, not by a guess.
"""

import os
from pathlib import Path

import msgspec


class Behaviour(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Shares are from 0 to 1, drawn for each request from the replica's own seed.

    `slow_s`: answers come so much later. `errors`: answered with `error_status`, and not carried out. `truncated`:
    carried out, the answer broken off in its middle. `resets`: carried out, the connection reset instead of an
    answer. `silent`: carried out, and never answered. `half_open`: nothing is read from any connection; the kernel
    alone acknowledges. `health`: whether /healthz ails too.

    The rest are lies that only the tally can find, to try it out. `doubled`: carried out twice. `swapped`: answered
    with the body of the request before. `dropped`: answered well, and not carried out.
    """

    slow_s: float = 0.0
    errors: float = 0.0
    error_status: int = 500
    truncated: float = 0.0
    resets: float = 0.0
    silent: float = 0.0
    half_open: bool = False
    health: bool = False
    doubled: float = 0.0
    swapped: float = 0.0
    dropped: float = 0.0

    def __post_init__(self) -> None:
        for name in ("errors", "truncated", "resets", "silent", "doubled", "swapped", "dropped"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}: write a share from 0 to 1")
        if self.slow_s < 0:
            raise ValueError(f"slow_s is {self.slow_s}: write 0 or more")


WELL = Behaviour()


def write_behaviour(path: Path, behaviour: Behaviour) -> None:
    """From the next batch of requests on it holds."""
    beside = path.with_name(f"{path.name}.new")
    beside.write_bytes(msgspec.json.encode(behaviour))
    beside.replace(path)


class BehaviourFile:
    """The file as it is now; read again only when it is another."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int] | None = None
        self._behaviour = WELL

    def now(self) -> Behaviour:
        """Raises msgspec.ValidationError for one that makes no sense."""
        try:
            status = os.stat(self._path)
        except FileNotFoundError:
            self._seen, self._behaviour = None, WELL
            return WELL
        seen = (status.st_ino, status.st_mtime_ns)
        if seen != self._seen:
            self._behaviour = msgspec.json.decode(self._path.read_bytes(), type=Behaviour)
            self._seen = seen
        return self._behaviour
