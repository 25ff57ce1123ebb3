"""Settings handed from one process of a node to another, in memory that has no name and outlives its maker.

The settings in force are not always those in the file: that may have been edited since, or broken. An agent that
starts again must go on with the former, and only a reload may bring the latter.
"""

import mmap
import os
import pickle

from lbmesh.config.settings import Settings


def settings_to_memory(settings: Settings) -> int:
    """A new descriptor, the caller's to close, that holds these settings, secrets included."""
    descriptor = os.memfd_create("lbmesh-settings")
    with os.fdopen(os.dup(descriptor), "wb") as memory:
        pickle.dump(settings, memory)
    return descriptor


def settings_from_memory(descriptor: int) -> Settings:
    """The settings that another process of this node put there. Leaves the descriptor as it is.

    Raises TypeError for anything else. Never to be given what came from outside the node: pickle trusts it.
    """
    with mmap.mmap(descriptor, 0, prot=mmap.PROT_READ) as memory:
        settings = pickle.loads(memory)
    if not isinstance(settings, Settings):
        raise TypeError(f"no settings, but {type(settings).__name__}")
    return settings
