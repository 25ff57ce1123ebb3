"""What `lbmesh check` says."""

from pathlib import Path

from lbmesh.config.load import load_settings
from lbmesh.config.settings import Settings


def check_file(path: Path) -> tuple[str, ...]:
    """One line for each error in the file, in its order; none when a node can run with it."""
    loaded = load_settings(path)
    return () if isinstance(loaded, Settings) else tuple(map(str, loaded))
