"""Asking a front as another node's sentinel does."""

import selectors
import time

from lbmesh.failover.words import Probe
from lbmesh.model.address import Address
from lbmesh.sentinel.front_probe import FrontProbes


def ask_front(front: Address) -> tuple[bool, str]:
    """Whether it is taken to live, and how that was found."""
    heard: list[tuple[bool, str]] = []
    with selectors.DefaultSelector() as selector:
        probes = FrontProbes(selector, lambda _, alive, how: heard.append((alive, how)))
        probes.start(Probe(1, front, timeout_s=20.0))
        while not heard:
            for key, _ in selector.select(20.0):
                key.data()
            probes.expire(time.monotonic())
    return heard[0]
