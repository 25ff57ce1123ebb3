"""Settings handed from one process of a node to another, in memory that has no name and outlives its maker.

The settings in force are not always those in the file: that may have been edited since, or broken. An agent that
starts again must go on with the former, and only a reload may bring the latter.
"""

import mmap
import os
import pickle
from collections.abc import Iterator
from dataclasses import replace

from lbmesh.config.settings import Settings
from lbmesh.model.route import Route
from lbmesh.model.service import Replica, Service

PER_PART = 128
"""Replicas or routes pickled in one go, which takes half a millisecond: nothing else of the process runs meanwhile, not
even another thread.
"""


def settings_to_memory(settings: Settings) -> int:
    """A new descriptor, the caller's to close, that holds these settings, secrets included. Part by part, so that in a
    thread it keeps nobody waiting.
    """
    descriptor = os.memfd_create("lbmesh-settings")
    with os.fdopen(os.dup(descriptor), "wb") as memory:
        for part in _parts(settings):
            pickle.dump(part, memory)
    return descriptor


def _parts(settings: Settings) -> Iterator[object]:
    """The settings without what there may be much of, which follows: each service before its replicas, then routes."""
    yield replace(settings, services=(), routes=())
    for service in settings.services:
        yield replace(service, replicas=())
        for start in range(0, len(service.replicas), PER_PART):
            yield service.replicas[start : start + PER_PART]
    for start in range(0, len(settings.routes), PER_PART):
        yield settings.routes[start : start + PER_PART]


def settings_from_memory(descriptor: int) -> Settings:
    """The settings that another process of this node put there. Leaves the descriptor as it is.

    Raises TypeError for anything else. Never to be given what came from outside the node: pickle trusts it.
    """
    services: list[Service] = []
    replicas: list[list[Replica]] = []
    routes: list[Route] = []
    with mmap.mmap(descriptor, 0, prot=mmap.PROT_READ) as memory:
        settings = pickle.load(memory)
        if not isinstance(settings, Settings):
            raise TypeError(f"no settings, but {type(settings).__name__}")
        while memory.tell() < memory.size():
            match pickle.load(memory):
                case Service() as service:
                    services.append(service)
                    replicas.append([])
                case (Replica(), *_) as part:
                    replicas[-1] += part
                case (Route(), *_) as part:
                    routes += part
                case other:
                    raise TypeError(f"no part of settings, but {type(other).__name__}")
    whole = tuple(replace(one, replicas=tuple(each)) for one, each in zip(services, replicas, strict=True))
    return replace(settings, services=whole, routes=tuple(routes))
