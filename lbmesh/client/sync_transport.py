"""The transport for `httpx.Client`."""

import random
import ssl
import sys
import threading
import time
from collections.abc import Callable, Sequence

import httpcore
import httpx

from lbmesh.client.attempts import Answered, Attempts
from lbmesh.client.budget import AttemptBudget
from lbmesh.client.memory import BalancerMemory
from lbmesh.client.policy import DEFAULT_LIMITS, Policy, Uniform, may_repeat, parse_balancers
from lbmesh.client.resumption import Resumption
from lbmesh.client.sync_body import SyncBody
from lbmesh.client.sync_exchange import SyncAnswer, SyncExchange
from lbmesh.client.sync_links import SyncLinks
from lbmesh.client.translate import REPORT_EXTENSION, Timeouts, is_replayable, to_core, with_fields

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
        may_be_sent_again = may_repeat(request.method, replayable=is_replayable(request))
        core_request = to_core(request)
        if not self._room.acquire(timeout=timeouts.pool):
            raise httpx.PoolTimeout("as many requests are under way as limits.max_connections allows")
        try:
            answer, report = self._exchange(core_request, timeouts, may_be_sent_again).run()
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
            return self._exchange(with_fields(core_request, fields), timeouts, True, after).run()

        resumption = Resumption(report, head.status, head.headers, core_request.headers) if may_be_sent_again else None
        body = SyncBody(answer, self._links, self._room.release, resumption, ask_again, self._policy.stall_s)
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

    def _exchange(
        self, request: httpcore.Request, timeouts: Timeouts, may_repeat: bool, after: Answered | None = None
    ) -> SyncExchange:
        with self._lock:
            attempts = Attempts(
                self._policy, self._memory, self._budget, time.monotonic(), may_repeat=may_repeat, after=after
            )
        return SyncExchange(
            self._links,
            attempts,
            self._lock,
            self._start_thread,
            request,
            timeouts,
            may_repeat=may_repeat,
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
