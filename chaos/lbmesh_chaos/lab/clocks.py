"""A host's wall clock, for the hosts whose clock the world declares adjustable: their programs run under libfaketime.

Monotonic time stays true: faking it, libfaketime's default, breaks every timer of a program that was started before.
"""

from pathlib import Path

from lbmesh_chaos.lab import paths

PACKAGE = "libfaketime"
_WHERE = ("/usr/lib/*/faketime/libfaketimeMT.so.1", "/usr/lib/faketime/libfaketimeMT.so.1")
_NONE = "+0"


def library() -> Path | None:
    """libfaketime, if this machine has it."""
    for pattern in _WHERE:
        for found in Path("/").glob(pattern.lstrip("/")):
            return found
    return None


def environment(host: str) -> dict[str, str]:
    """What a program's environment needs, so that its clock can be set. The library must be there."""
    preloaded = library()
    assert preloaded is not None, "lab.needs saw to it"
    return {
        "LD_PRELOAD": str(preloaded),
        "FAKETIME_TIMESTAMP_FILE": str(paths.clock(host)),
        "FAKETIME_NO_CACHE": "1",
        "DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_XRESET": "1",
    }


def make_adjustable(host: str) -> None:
    """The file that says by how much the clock is off; by nothing."""
    paths.clock(host).write_text(_NONE)


def set_offset(host: str, offset_s: float) -> None:
    """Raises FileNotFoundError for a host whose clock cannot be set."""
    file = paths.clock(host)
    if not file.exists():
        raise FileNotFoundError(f"the clock of {host} cannot be set; write the host into the world's `clocks`")
    beside = file.with_suffix(".new")
    beside.write_text(f"{offset_s:+f}")
    beside.replace(file)


def is_true(host: str) -> bool:
    """Whether a host's programs see the machine's time."""
    file = paths.clock(host)
    return not file.exists() or float(file.read_text()) == 0.0
