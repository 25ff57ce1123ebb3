"""Files that are there whole or not at all, a power cut included."""

import os
from pathlib import Path
from typing import BinaryIO


def put_in_place(stream: BinaryIO, draft: Path, file: Path, content: bytes) -> None:
    """Write and sync the draft, which stands beside the file and is open as this stream; put it in the file's place,
    and sync that, too. Raises OSError; the file is then the old one or the new one.
    """
    stream.write(content)
    stream.flush()
    os.fsync(stream.fileno())
    draft.replace(file)
    directory = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
