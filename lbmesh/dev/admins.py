"""Where the balancers of running meshes answer: what `lbmesh status` says when it was not told whom to ask."""

from lbmesh.config.load import load_settings
from lbmesh.config.settings import Settings
from lbmesh.dev.failure import CannotRunError
from lbmesh.dev.place import running_meshes


def admin_addresses() -> list[str]:
    """Of every mesh of this user, zone by zone; empty when none runs."""
    try:
        places = running_meshes().values()
    except CannotRunError:
        return []
    loaded = [load_settings(file) for place in places for file in sorted(place.glob("*.toml"))]
    return [str(one.admin.bind) for one in loaded if isinstance(one, Settings) and one.admin is not None]
