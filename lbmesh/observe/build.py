"""Which form of lbmesh this is."""

from lbmesh import __version__
from lbmesh.observe import log_text

IS_COMPILED = not log_text.__file__.endswith(".py")
"""The data path was compiled when this was installed (setup.py)."""

VERSION_TEXT = f"lbmesh {__version__}" + (" (compiled)" if IS_COMPILED else "")
