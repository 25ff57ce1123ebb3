"""Files of JSON lines that a process still writes to."""

import json
from pathlib import Path
from typing import Any


def json_lines(file: Path, since: int = 0) -> list[dict[str, Any]]:
    """The objects in it from an offset on; none as long as it is not there. A line of which the end is still to come is
    left out, and so is what is no object: what a program says before it logs.
    """
    if not file.exists():
        return []
    with file.open("rb") as written:
        written.seek(since)
        return [json.loads(line) for line in written if line.startswith(b"{") and line.endswith(b"\n")]
