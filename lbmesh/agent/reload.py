"""Reading the configuration again: taken whole, or refused whole with every reason."""

from dataclasses import dataclass
from pathlib import Path

from lbmesh.config.diff import Hot, NeedsRestart, diff
from lbmesh.config.load import load_settings
from lbmesh.config.settings import Settings


@dataclass(frozen=True, slots=True)
class Taken:
    """The new settings, and what they change, a line each."""

    settings: Settings
    changes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """Why the old settings stand: located errors, or changes that need a restart."""

    errors: tuple[str, ...]


def read_again(config_file: Path, old: Settings) -> Taken | Refused:
    """Read the file and compare. Blocks on files, so it is for a thread."""
    new = load_settings(config_file)
    if not isinstance(new, Settings):
        return Refused(tuple(str(error) for error in new))
    match diff(old, new):
        case Hot(changes=changes):
            return Taken(new, changes)
        case NeedsRestart(reasons=reasons):
            return Refused(tuple(f"{config_file}: {reason}" for reason in reasons))
