"""The transport for `httpx.Client`."""

import ssl
import sys
import threading
import time
from collections.abc import Callable

import httpcore
import httpx

from lbmesh.client.attempts import Answered
from lbmesh.client.fleet import Fleet
from lbmesh.client.fork import watch
from lbmesh.client.listing import Balancers
from lbmesh.client.policy import DEFAULT_LIMITS, Policy, Repeat, Uniform, repeat_of
from lbmesh.client.resumption import Resumption
from lbmesh.client.sync_body import SyncBody
from lbmesh.client.sync_exchange import SyncAnswer, SyncExchange
from lbmesh.client.sync_links import SyncLinks
from lbmesh.client.translate import REPORT_EXTENSION, Timeouts, is_replayable, origin_of, to_core, with_fields

JOIN_S = 5.0
"""How long `close` waits for the threads of rivals, whose sockets are shut down by then."""


class MeshTransport(httpx.BaseTransport):
    """Sends requests to whichever of several balancers answers.

    The request's URL names the service, as it always does; only the connection goes to a balancer.
    Thread-safe, and may be made before a fork. Needs no thread of its own unless a balancer keeps silent or where the
    balancers are is looked up.
    """

    def __init__(
        self,
        balancers: Balancers,
        *,
        zone: str | None = None,
        policy: Policy | None = None,
        verify: ssl.SSLContext | bool = True,
        limits: httpx.Limits = DEFAULT_LIMITS,
        rng: Uniform | None = None,
    ) -> None:
        """`balancers`: addresses or names with ports, either by zone, or an Admin. `zone`: the client's, whose
        balancers come first; None: LBMESH_ZONE of the environment. Raises ValueError when they or the policy make no
        sense.
        """
        self._policy = policy or Policy()
        self._fleet = Fleet(balancers, self._policy, zone, rng)
        self._links = SyncLinks(self._policy, httpx.create_ssl_context(verify=verify), limits)
        self._room_size = limits.max_connections or sys.maxsize
        self._start_empty()
        watch(self)

    def start_afresh(self) -> None:
        """In the child of a fork."""
        self._fleet.start_afresh()
        self._links.start_afresh()
        self._start_empty()

    def _start_empty(self) -> None:
        self._room = threading.Semaphore(self._room_size)
        self._lock = threading.Lock()
        self._threads: set[threading.Thread] = set()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Raises an httpx.TransportError that names every balancer tried and what happened there."""
        timeouts = Timeouts.of(request)
        repeat = repeat_of(request.method, request.headers, self._policy, replayable=is_replayable(request))
        core_request = to_core(request)
        self._find(timeouts.connect)
        if not self._room.acquire(timeout=timeouts.pool):
            raise httpx.PoolTimeout("as many requests are under way as limits.max_connections allows")
        try:
            answer, report = self._exchange(core_request, timeouts, repeat).run()
        except BaseException:
            self._room.release()
            raise
        head = answer.response
        extensions = {**head.extensions, REPORT_EXTENSION: report}
        if answer.body is not None:
            self._finish(answer)
            held = httpx.ByteStream(answer.body)
            return httpx.Response(head.status, headers=head.headers, stream=held, extensions=extensions)

        def ask_again(after: Answered, fields: list[tuple[bytes, bytes]]) -> tuple[SyncAnswer, Answered]:
            return self._exchange(with_fields(core_request, fields), timeouts, repeat, after).run()

        resumption = (
            None if repeat is Repeat.ONCE else Resumption(report, head.status, head.headers, core_request.headers)
        )
        # What must not be under way twice waits for its end.
        stall_s = self._policy.stall_s if repeat is Repeat.HEDGED else None
        body = SyncBody(answer, self._links, self._room.release, resumption, ask_again, stall_s)
        response = httpx.Response(head.status, headers=head.headers, stream=body, extensions=extensions)
        body.extensions = response.extensions
        return response

    def close(self) -> None:
        """Close all idle connections, and wait for the threads of rivals that lost."""
        self._links.close()
        with self._lock:
            threads = list(self._threads)
        for thread in threads:
            thread.join(JOIN_S)

    def _find(self, timeout_s: float | None) -> None:
        """Raises httpx.ConnectError or ConnectTimeout when no balancer is known."""
        finder = self._fleet.finder
        in_time = finder.is_ready() or finder.wait(timeout_s)
        if not finder.home:
            raise (httpx.ConnectError if in_time else httpx.ConnectTimeout)(finder.describe())

    def _exchange(
        self, request: httpcore.Request, timeouts: Timeouts, repeat: Repeat, after: Answered | None = None
    ) -> SyncExchange:
        with self._lock:
            gone = self._fleet.settle()
            attempts = self._fleet.attempts(origin_of(request.url), time.monotonic(), repeat, after)
        for balancer in gone:
            self._links.drop(balancer)
        return SyncExchange(
            self._links,
            attempts,
            self._lock,
            self._start_thread,
            request,
            timeouts,
            may_repeat=repeat is not Repeat.ONCE,
            hold_bytes=self._policy.hold_bytes,
        )

    def _start_thread(self, work: Callable[[], None]) -> None:
        def run() -> None:
            try:
                work()
            finally:
                with self._lock:
                    self._threads.discard(thread)

        thread = threading.Thread(target=run, name="lbmesh-client-rival", daemon=True)
        with self._lock:
            self._threads.add(thread)
        thread.start()

    def _finish(self, answer: SyncAnswer) -> None:
        self._links.give_back(answer.link)
        self._room.release()
