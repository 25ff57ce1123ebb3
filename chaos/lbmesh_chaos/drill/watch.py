"""The drill's eyes in a lab, each with a connection of its own: what balancers hold, and what the lab does."""

import threading
import time
from collections.abc import Mapping
from typing import Any

from lbmesh_chaos.drill.sightings import Sightings, observers
from lbmesh_chaos.lab.client import LabClient, NoLabError
from lbmesh_chaos.model.timeline import Event
from lbmesh_chaos.model.world import World
from lbmesh_chaos.toolkit.lab_target import admin_state

POLL_S = 0.2
"""Between two questions to one balancer: 3 % of a core each. What it tells has its own times."""


class Watch:
    """Watches from when it is made until `end`."""

    def __init__(self, lab: str, world: World) -> None:
        """Raises NoLabError."""
        self.events: list[Event] = []
        self.lab_events: list[Mapping[str, Any]] = []
        self._over = threading.Event()
        self._clients = [LabClient(lab) for _ in observers(world)]
        self._lab_client = LabClient(lab)
        self._lab_client.watch()
        self._threads = [
            threading.Thread(target=self._observe, args=(one, client), daemon=True)
            for one, client in zip(observers(world), self._clients, strict=True)
        ]
        self._lab_thread = threading.Thread(target=self._follow, daemon=True)
        for thread in (*self._threads, self._lab_thread):
            thread.start()

    def end(self) -> None:
        """No more of it; what was seen is whole."""
        self._over.set()
        for thread in self._threads:
            thread.join()
        self._lab_client.close()
        self._lab_thread.join()
        for client in self._clients:
            client.close()

    def _observe(self, sightings: Sightings, client: LabClient) -> None:
        while not self._over.wait(POLL_S):
            try:
                asked_s = time.monotonic()
                state = admin_state(client, sightings.observer)
            except NoLabError:
                return
            if state is not None:
                # It made its answer some time in between; what happened must not seem to come before its cause.
                self.events += sightings.saw(state, (asked_s + time.monotonic()) / 2)

    def _follow(self) -> None:
        try:
            while True:
                self.lab_events.append(self._lab_client.next_event())
        except (NoLabError, OSError):
            return
