"""Flows that go through `lbmesh.client.MeshTransport`, in threads."""

import queue
import threading
import time
from random import Random

import httpx

from lbmesh.client import MeshTransport
from lbmesh_chaos.load.client_log import ClientLogWriter
from lbmesh_chaos.load.mesh import attempts_of, failed, field_of, limits_of, pieces_of, policy_of, to_httpx
from lbmesh_chaos.load.order import Order
from lbmesh_chaos.load.requests import Asked, RequestMaker, word_of
from lbmesh_chaos.load.wakefulness import Wakefulness
from lbmesh_chaos.model.flow import Kind
from lbmesh_chaos.model.tally import NO_ROOM, SILENT

TICK_S = 0.02
_STACK_BYTES = 512 * 1024


class SyncMeshClients:
    """All mesh-sync flows of an order. Each flow is a client of its own; a thread for each request under way."""

    def __init__(self, order: Order, log: ClientLogWriter) -> None:
        self._order = order
        self._log = log
        self._make = RequestMaker(order)
        self._transports = {
            index: MeshTransport(
                order.addresses,
                limits=limits_of(order),
                policy=policy_of(order),
                rng=Random(f"{order.seed} {flow.name}"),
            )
            for index, flow in enumerate(order.flows)
            if flow.kind is Kind.MESH_SYNC
        }
        self._waiting: queue.SimpleQueue[Asked | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._free = 0
        self._threads: list[threading.Thread] = []

    def run(self) -> None:
        """Until the last request has ended."""
        threading.stack_size(_STACK_BYTES)
        wakefulness = Wakefulness(time.monotonic())
        for due_s, index, number in self._order.merged(self._transports):
            while (now := time.monotonic()) < due_s:
                until = min(due_s, now + TICK_S)
                wakefulness.sleeps_until(until)
                time.sleep(until - now)
                self._log.starved(wakefulness.turn(time.monotonic()))
            self._log.flush()
            self._log.starved(wakefulness.took_up(due_s, time.monotonic()))
            self._hand_on(self._make.bare(index, number, due_s))
        for _ in self._threads:
            self._waiting.put(None)
        for thread in self._threads:
            thread.join()
        for transport in self._transports.values():
            transport.close()

    def _hand_on(self, asked: Asked) -> None:
        """To a free thread, else to a new one."""
        with self._lock:
            has_room = self._free > 0
            self._free -= has_room
        if not has_room:
            if len(self._threads) >= self._order.in_flight_max:
                self._log.ended(asked, NO_ROOM)
                return
            thread = threading.Thread(target=self._work, name="load", daemon=True)
            self._threads.append(thread)
            thread.start()
        self._waiting.put(asked)

    def _work(self) -> None:
        while (asked := self._waiting.get()) is not None:
            word, attempts = self._exchange(asked)
            if time.monotonic() - asked.due_s > self._order.deadline_s:
                word = SILENT
            with self._lock:
                self._free += 1
            self._log.ended(asked, word, attempts)

    def _exchange(self, asked: Asked) -> tuple[str, int]:
        response: httpx.Response | None = None
        asked.sent_s = time.monotonic()
        try:
            response = self._transports[asked.flow].handle_request(to_httpx(self._order, asked, pieces_of))
            try:
                body = response.read()
            finally:
                response.close()
        except httpx.TransportError as error:
            return failed(asked, error, response)
        return word_of(asked, response.status_code, body, field_of(response)), attempts_of(response)
