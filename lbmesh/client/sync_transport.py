"""The transport for `httpx.Client`."""

import random
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence

import httpx

from lbmesh.client.attempts import Attempts
from lbmesh.client.budget import AttemptBudget
from lbmesh.client.memory import BalancerMemory
from lbmesh.client.policy import DEFAULT_LIMITS, Policy, Uniform, may_repeat, parse_balancers
from lbmesh.client.sync_exchange import SyncAnswer, SyncExchange
from lbmesh.client.sync_links import SyncLinks
from lbmesh.client.translate import REPORT_EXTENSION, Timeouts, is_replayable, to_core, to_httpx

JOIN_S = 5.0
"""How long `close` waits for the threads of rivals, whose sockets are shut down by then."""


class MeshTransport(httpx.BaseTransport):
    """Sends requests to whichever of several balancers answers.

    The request's URL names the service, as it always does; only the connection goes to a balancer.
    Thread-safe. Needs no thread of its own unless a balancer keeps silent.
    """

    def __init__(
        self,
        balancers: Sequence[str],
        *,
        policy: Policy | None = None,
        verify: ssl.SSLContext | bool = True,
        limits: httpx.Limits = DEFAULT_LIMITS,
        rng: Uniform | None = None,
    ) -> None:
        """`balancers` are addresses like "10.0.1.10:80". Raises ValueError when they or the policy make no
        sense.
        """
        self._policy = policy or Policy()
        addresses = parse_balancers(balancers)
        self._memory = BalancerMemory(addresses, self._policy, rng or random.Random())
        self._budget = AttemptBudget(self._policy.budget_share, self._policy.budget_floor)
        self._links = SyncLinks(self._policy, httpx.create_ssl_context(verify=verify), limits)
        self._room = threading.Semaphore(limits.max_connections or sys.maxsize)
        self._lock = threading.Lock()
        self._threads: set[threading.Thread] = set()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Raises an httpx.TransportError that names every balancer tried and what happened there."""
        timeouts = Timeouts.of(request)
        if not self._room.acquire(timeout=timeouts.pool):
            raise httpx.PoolTimeout("as many requests are under way as limits.max_connections allows")
        try:
            answer, report = self._exchange(request, timeouts).run()
        except BaseException:
            self._room.release()
            raise
        return httpx.Response(
            answer.response.status,
            headers=answer.response.headers,
            stream=_Body(answer, lambda: self._finish(answer)),
            extensions={**answer.response.extensions, REPORT_EXTENSION: report},
        )

    def close(self) -> None:
        """Close all idle connections, and wait for the threads of rivals that lost."""
        self._links.close()
        with self._lock:
            threads = list(self._threads)
        for thread in threads:
            thread.join(JOIN_S)

    def _exchange(self, request: httpx.Request, timeouts: Timeouts) -> SyncExchange:
        core_request = to_core(request)
        repeat = may_repeat(request.method, replayable=is_replayable(request))
        with self._lock:
            attempts = Attempts(self._policy, self._memory, self._budget, time.monotonic(), may_repeat=repeat)
        return SyncExchange(
            self._links, attempts, self._lock, self._start_thread, core_request, timeouts, may_repeat=repeat
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


class _Body(httpx.SyncByteStream):
    """The answer's body, streamed; closing it gives the connection back."""

    def __init__(self, answer: SyncAnswer, finish: Callable[[], None]) -> None:
        self._answer = answer
        self._finish: Callable[[], None] | None = finish

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._answer.response.iter_stream()
        except Exception as error:  # only its class changes
            raise to_httpx(error, f"{self._answer.link.key.balancer} broke off in the body: {error}") from error

    def close(self) -> None:
        finish, self._finish = self._finish, None
        if finish is not None:
            try:
                self._answer.response.close()
            finally:
                finish()
