"""One request in the caller's own thread. Another thread is started only when a balancer keeps silent.

While the caller's thread waits for the answer it also watches the clock and a wake-up socket: after the
hedge delay it starts a rival attempt in a thread, and gives its own up when the rival was answered first. A
rival that lost has its connection shut down beneath it, so that its thread ends at once.
"""

import select
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress

import httpcore

from lbmesh.client.attempts import Answered, Attempts, Start, Step, Stop, Wait
from lbmesh.client.outcome import Answer, Broke, NotDialled, Outcome, Verdicts
from lbmesh.client.resumption import is_short
from lbmesh.client.sync_links import SyncLink, SyncLinks
from lbmesh.client.sync_socket import milliseconds_until, wait_ready
from lbmesh.client.translate import DialError, Timeouts
from lbmesh.model.address import Address

SyncAnswer = Answer[SyncLink]


class OutrunError(Exception):
    """A rival was answered first: give up the attempt in the caller's thread."""


class Rival:
    """An attempt in a thread of its own. `cancelled` and `link` change under the transport's lock only."""

    def __init__(self, attempt: int) -> None:
        self.attempt = attempt
        self.cancelled = False
        self.link: SyncLink | None = None


class SyncExchange:
    """Sends one request until it has an answer to give, or nothing more to try."""

    def __init__(
        self,
        links: SyncLinks,
        attempts: Attempts,
        lock: threading.Lock,
        start_thread: Callable[[Callable[[], None]], None],
        request: httpcore.Request,
        timeouts: Timeouts,
        *,
        may_repeat: bool,
        hold_bytes: int,
    ) -> None:
        self._links = links
        self._attempts = attempts
        self._verdicts: Verdicts[SyncLink] = Verdicts(attempts)
        self._lock = lock
        self._start_thread = start_thread
        self._request = request
        self._timeouts = timeouts
        self._may_repeat = may_repeat
        self._hold_bytes = hold_bytes if may_repeat else 0
        self._rivals: list[Rival] = []
        self._arrived: list[Outcome[SyncLink]] = []
        self._taken: SyncAnswer | None = None
        self._wake: tuple[socket.socket, socket.socket] | None = None

    def run(self) -> tuple[SyncAnswer, Answered]:
        """The answer. Raises an httpx.TransportError that names every balancer tried and what happened
        there.
        """
        taken: SyncAnswer | None = None
        try:
            while taken is None:
                match self._step():
                    case Start(attempt, order, fresh):
                        taken = self._judge(self._attempt(attempt, order, fresh, None))
                    case Wait(until):
                        self._wait(None, 0, until)
                        taken = self._taken
                    case Stop():
                        taken = self._verdicts.last_resort()
                taken = taken or self._taken
            return taken, self._verdicts.report(taken)
        finally:
            self._clean_up(taken)

    def _step(self) -> Step:
        with self._lock:
            return self._attempts.step(time.monotonic())

    def _judge(self, outcome: Outcome[SyncLink] | None) -> SyncAnswer | None:
        if outcome is None:
            return None
        with self._lock:
            return self._verdicts.judge(outcome, time.monotonic())

    def _attempt(
        self, attempt: int, order: tuple[Address, ...], fresh: bool, rival: Rival | None
    ) -> Outcome[SyncLink] | None:
        """One attempt, in whatever thread this is; None when it was given up for a rival or cancelled."""
        try:
            dialled = self._links.dial(
                order,
                self._request.url,
                self._timeouts,
                lambda: rival is not None and rival.cancelled,
                fresh=fresh,
            )
        except DialError as error:
            return NotDialled(attempt, error)
        link = dialled.link
        with self._lock:
            if rival is not None and rival.cancelled:
                link.connection.close()
                return None
            if rival is not None:
                rival.link = link
            now = time.monotonic()
            self._attempts.connected(
                attempt,
                link.key.balancer,
                now,
                failed=dialled.failed,
                outrun=dialled.outrun,
                connect_s=dialled.connect_s,
            )
        self._wake_up()
        link.stream.watcher = self._watch if self._may_repeat and rival is None else wait_ready
        try:
            response = link.connection.handle_request(self._request)
            return Answer(attempt, link, response, self._held(response))
        except OutrunError:
            return None
        except Exception as error:  # judged by Verdicts, which raises what it does not know
            return Broke(attempt, error, link.reused)
        finally:
            link.stream.watcher = wait_ready

    def _held(self, response: httpcore.Response) -> bytes | None:
        """The body of an answer that is not passed on before it is whole."""
        if not self._hold_bytes or not is_short(response.headers, self._hold_bytes):
            return None
        body = b"".join(response.iter_stream())
        response.close()
        return body

    def _watch(self, descriptor: int, events: int, deadline: float | None) -> None:
        """Wait for the attempt's own socket; start rivals as they fall due; raise OutrunError when one was
        answered.
        """
        while True:
            match self._step():
                case Start(attempt, order, fresh):
                    self._start_rival(attempt, order, fresh)
                    continue
                case Wait(until):
                    limits = [limit for limit in (until, deadline) if limit is not None]
                case Stop():
                    limits = [] if deadline is None else [deadline]
            if self._wait(descriptor, events, min(limits, default=None)):
                return
            if self._taken is not None:
                raise OutrunError
            if deadline is not None and time.monotonic() >= deadline:
                raise TimeoutError

    def _wait(self, descriptor: int | None, events: int, until: float | None) -> bool:
        """True when the descriptor is ready. Judges what rivals have brought meanwhile."""
        poll = select.poll()
        if descriptor is not None:
            poll.register(descriptor, events)
        if self._wake is not None:
            poll.register(self._wake[0], select.POLLIN)
        ready = {fd for fd, _ in poll.poll(milliseconds_until(until))}
        if self._wake is not None and self._wake[0].fileno() in ready:
            self._wake[0].recv(64)
            self._collect()
        return descriptor in ready and self._taken is None

    def _collect(self) -> None:
        with self._lock:
            while self._arrived and self._taken is None:
                self._taken = self._verdicts.judge(self._arrived.pop(0), time.monotonic())

    def _start_rival(self, attempt: int, order: tuple[Address, ...], fresh: bool) -> None:
        if self._wake is None:
            self._wake = socket.socketpair()
            self._wake[1].setblocking(False)
        rival = Rival(attempt)
        self._rivals.append(rival)
        self._start_thread(lambda: self._run_rival(rival, order, fresh))

    def _run_rival(self, rival: Rival, order: tuple[Address, ...], fresh: bool) -> None:
        outcome = self._attempt(rival.attempt, order, fresh, rival)
        if outcome is None:
            return
        with self._lock:
            wanted = not rival.cancelled
            if wanted:
                self._arrived.append(outcome)
        if wanted:
            self._wake_up()
        elif isinstance(outcome, Answer):
            outcome.response.close()
            self._links.give_back(outcome.link)

    def _wake_up(self) -> None:
        with self._lock, suppress(BlockingIOError):  # a full socket wakes just as well
            if self._wake is not None:
                self._wake[1].send(b"!")

    def _clean_up(self, taken: SyncAnswer | None) -> None:
        """Cancel the rivals, close the answers nobody takes, give back what the request held."""
        with self._lock:
            for rival in self._rivals:
                rival.cancelled = True
            losing = [rival.link for rival in self._rivals if rival.link and not (taken and rival.link is taken.link)]
            unwanted = [*self._verdicts.kept, *(o for o in self._arrived if isinstance(o, Answer))]
            wake, self._wake = self._wake, None
            self._attempts.close()
        for answer in unwanted:
            if answer is not taken:
                answer.response.close()
                self._links.give_back(answer.link)
        for link in losing:
            link.stream.abort()
        for end in wake or ():
            end.close()
        for balancer in self._attempts.spoiled:
            self._links.drop(balancer)
