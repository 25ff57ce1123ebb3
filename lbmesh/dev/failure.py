"""Why a dev mesh cannot run."""


class CannotRunError(Exception):
    """Something outside is not as it must be; the message says what, and what to do. Ends `lbmesh dev`."""
