"""The boot epoch: a counter in the state directory, one higher at each start of the node.

The mesh orders what a node says by (epoch, sequence), so no epoch should come twice, a power cut included. Where the
count is lost the node starts all the same, from a low epoch: the mesh refuses it for some ten seconds, until it has
taken its name back (gossip/claims.py). That is better than a balancer that does not start because of a spoilt file.
"""

from dataclasses import dataclass
from pathlib import Path

from lbmesh.control.processes import BOOT_EPOCH_MAX
from lbmesh.observe.durable import put_in_place

FILE_NAME = "boot"
_FIRST = 1


@dataclass(frozen=True, slots=True)
class BootCount:
    """The epoch of this start. `problem`: why it may not be above those of earlier starts, and what to do; None when
    it is.
    """

    epoch: int
    problem: str | None = None


def next_boot_epoch(state_dir: Path) -> BootCount:
    """Count up, with the count on the disk before it is used. Makes the directory if only that is missing."""
    file = state_dir / FILE_NAME
    try:
        state_dir.mkdir(mode=0o750, exist_ok=True)
        last = _read(file)
        epoch = _FIRST if last is None else last + 1
        _write(file, epoch)
    except OSError as error:
        return BootCount(
            _FIRST,
            f'the state directory "{state_dir}" cannot be used: {error.strerror or error}. Create it and let this user '
            "write to it, or name another one in node.state_dir",
        )
    if last is None:
        return BootCount(epoch, f'"{file}" held no boot count, so starts are counted from {_FIRST} again')
    return BootCount(epoch)


def _read(file: Path) -> int | None:
    """The last count, 0 before the first; None when the file holds none, or one so large that it was not counted up."""
    try:
        with file.open("rb") as stream:
            text = stream.read(len(str(BOOT_EPOCH_MAX)) + 2).strip()
    except FileNotFoundError:
        return 0
    return int(text) if text.isdigit() and int(text) < BOOT_EPOCH_MAX else None


def _write(file: Path, epoch: int) -> None:
    draft = file.with_suffix(".new")
    with draft.open("wb") as stream:
        put_in_place(stream, draft, file, f"{epoch}\n".encode())
