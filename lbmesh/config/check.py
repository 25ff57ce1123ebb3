"""What `lbmesh check` says."""

from pathlib import Path

from lbmesh.config.errors import ConfigError, spell
from lbmesh.config.load import load_settings
from lbmesh.config.locate import locate
from lbmesh.config.settings import Settings


def check_file(path: Path) -> tuple[str, ...]:
    """One line for each error in the file, in its order; none when a node can run with it and write its log."""
    loaded = load_settings(path)
    if isinstance(loaded, Settings):
        loaded = _access_log_errors(path, loaded.log.access)
    return tuple(map(str, loaded))


def _access_log_errors(path: Path, access: str) -> tuple[ConfigError, ...]:
    """A node does run without its access log, and says so in its own log; whoever checks is told before."""
    directory = Path(access).parent
    if access in ("stdout", "off") or directory.is_dir():
        return ()
    line = locate(path.read_text())["log", "access"]
    message = f"there is no directory {directory}; make it, and let the user that runs lbmesh write to it"
    return (ConfigError(str(path), line, "log.access", spell(access), message),)
