"""The boot epoch: a counter in the state directory, one higher at each start of the node.

The mesh orders what a node says by (epoch, sequence), so no epoch may come twice, a power cut included.
"""

from pathlib import Path

from lbmesh.observe.durable import put_in_place

FILE_NAME = "boot"
EPOCH_MAX = 2**48 - 1
"""A counter this large was not counted up; more bytes than its digits are not read."""


def next_boot_epoch(state_dir: Path) -> int:
    """Count up, with the count on the disk before it is used. Makes the directory if only that is missing.

    Raises OSError when the directory cannot be written, and ValueError when the file holds no count; both
    with a message that says what to do.
    """
    file = state_dir / FILE_NAME
    try:
        state_dir.mkdir(mode=0o750, exist_ok=True)
        epoch = _read(file) + 1
        _write(file, epoch)
    except OSError as error:
        raise OSError(
            f'the state directory "{state_dir}" cannot be used: {error.strerror or error}. Create it and let '
            "this user write to it, or name another one in node.state_dir"
        ) from error
    return epoch


def _read(file: Path) -> int:
    try:
        with file.open("rb") as stream:
            text = stream.read(len(str(EPOCH_MAX)) + 2).strip()
    except FileNotFoundError:
        return 0
    if not text.isdigit() or int(text) >= EPOCH_MAX:
        raise ValueError(
            f'"{file}" does not hold a boot count. Write into it a number higher than this node ever had: '
            "with a lower one, the mesh takes what the node says for old news"
        )
    return int(text)


def _write(file: Path, epoch: int) -> None:
    draft = file.with_suffix(".new")
    with draft.open("wb") as stream:
        put_in_place(stream, draft, file, f"{epoch}\n".encode())
