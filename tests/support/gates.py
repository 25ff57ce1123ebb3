"""Origins that answer when the test says so, and Views whose service has a policy of the test's own."""

import threading
from dataclasses import replace

from lbmesh.model.traffic import TrafficPolicy
from lbmesh.model.view import View
from tests.support.origins import WAIT_S, OriginConnection


class Gate:
    """A behaviour: every request waits until `open` lets it, or all, go. `heads`: of all that came here; `bodies`: of
    those with PUT, `upload_bytes` each.
    """

    def __init__(self, body: bytes = b"ok", *, upload_bytes: int = 0) -> None:
        self.heads: list[bytes] = []
        self.bodies: list[bytes] = []
        self._body = body
        self._upload_bytes = upload_bytes
        self._permits = threading.Semaphore(0)
        self._open_for_all = False

    def __call__(self, connection: OriginConnection) -> None:
        while head := connection.read_head():
            self.heads.append(head)
            if not self._open_for_all:
                assert self._permits.acquire(timeout=WAIT_S)
            if head.startswith(b"PUT "):
                self.bodies.append(connection.read_exactly(self._upload_bytes))
            connection.answer(self._body)

    def open(self, requests: int = 1) -> None:
        """Let so many requests go on."""
        self._permits.release(requests)

    def open_for_all(self) -> None:
        """Let whoever stands here go, and all who come."""
        self._open_for_all = True
        self._permits.release(1000)


def with_traffic(view: View, traffic: TrafficPolicy) -> View:
    """The View with this policy for its every service."""
    return replace(view, services=tuple(replace(service, traffic=traffic) for service in view.services))
