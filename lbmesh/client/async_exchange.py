"""One request in tasks, on trio or asyncio: an attempt is a task, and losing is being cancelled."""

import anyio
import anyio.abc
import httpcore

from lbmesh.client.async_links import AsyncLink, AsyncLinks
from lbmesh.client.attempts import Answered, Attempts, Start, Stop, Wait
from lbmesh.client.outcome import Answer, Broke, NotDialled, Outcome, Verdicts
from lbmesh.client.resumption import is_short
from lbmesh.client.translate import DialError, Timeouts
from lbmesh.model.address import Address

AsyncAnswer = Answer[AsyncLink]


class AsyncExchange:
    """Sends one request until it has an answer to give, or nothing more to try."""

    def __init__(
        self,
        links: AsyncLinks,
        attempts: Attempts,
        request: httpcore.Request,
        timeouts: Timeouts,
        *,
        hold_bytes: int,
    ) -> None:
        """`hold_bytes`: the longest body that is not passed on before it is whole."""
        self._links = links
        self._attempts = attempts
        self._verdicts: Verdicts[AsyncLink] = Verdicts(attempts)
        self._request = request
        self._timeouts = timeouts
        self._hold_bytes = hold_bytes
        self._arrived: list[Outcome[AsyncLink]] = []
        self._news = anyio.Event()
        self._taken: AsyncAnswer | None = None
        self._error: Exception | None = None

    async def run(self) -> tuple[AsyncAnswer, Answered]:
        """The answer. Raises an httpx.TransportError that names every balancer tried and what happened
        there.
        """
        taken: AsyncAnswer | None = None
        try:
            async with anyio.create_task_group() as tasks:
                await self._drive(tasks)
                tasks.cancel_scope.cancel()
            if self._error is not None:
                raise self._error
            taken = self._taken or self._verdicts.last_resort()
            return taken, self._verdicts.report(taken)
        except BaseException:
            taken = None
            raise
        finally:
            await self._clean_up(taken)

    async def _drive(self, tasks: anyio.abc.TaskGroup) -> None:
        """Until an answer is taken, an error is final, or nothing more may be tried."""
        while self._taken is None and self._error is None:
            match self._attempts.step(anyio.current_time()):
                case Start(attempt, order, fresh):
                    tasks.start_soon(self._attempt, attempt, order, fresh)
                case Wait(until):
                    with anyio.CancelScope(deadline=float("inf") if until is None else until):
                        await self._news.wait()
                    self._news = anyio.Event()
                    self._judge_arrived()
                case Stop():
                    return

    def _judge_arrived(self) -> None:
        while self._arrived and self._taken is None and self._error is None:
            try:
                self._taken = self._verdicts.judge(self._arrived.pop(0), anyio.current_time())
            except Exception as error:  # raised once the tasks are gone, not as an exception group
                self._error = error

    async def _attempt(self, attempt: int, order: tuple[Address, ...], fresh: bool) -> None:
        self._arrived.append(await self._outcome(attempt, order, fresh))
        self._news.set()

    async def _outcome(self, attempt: int, order: tuple[Address, ...], fresh: bool) -> Outcome[AsyncLink]:
        try:
            dialled = await self._links.dial(order, self._request.url, self._timeouts, fresh=fresh)
        except DialError as error:
            return NotDialled(attempt, error)
        except Exception as error:  # judged by Verdicts, which raises what it does not know
            return Broke(attempt, error, reused=False)
        link = dialled.link
        now = anyio.current_time()
        self._attempts.connected(
            attempt,
            link.key.balancer,
            now,
            failed=dialled.failed,
            outrun=dialled.outrun,
            connect_s=dialled.connect_s,
        )
        self._news.set()
        try:
            response = await link.connection.handle_async_request(self._request)
            return Answer(attempt, link, response, await self._held(response))
        except anyio.get_cancelled_exc_class():
            # httpcore closes it by itself, except when cancelled before its first byte is written.
            with anyio.CancelScope(shield=True):
                await link.connection.aclose()
            raise
        except Exception as error:  # judged by Verdicts, which raises what it does not know
            return Broke(attempt, error, link.reused)

    async def _held(self, response: httpcore.Response) -> bytes | None:
        """The body of an answer that is not passed on before it is whole."""
        if not self._hold_bytes or not is_short(response.headers, self._hold_bytes):
            return None
        body = b"".join([part async for part in response.aiter_stream()])
        await response.aclose()
        return body

    async def _clean_up(self, taken: AsyncAnswer | None) -> None:
        """Close the answers nobody takes, give back what the request held."""
        self._attempts.close()
        unwanted = [*self._verdicts.kept, *(o for o in self._arrived if isinstance(o, Answer)), self._taken]
        with anyio.CancelScope(shield=True):
            for answer in unwanted:
                if answer is not None and answer is not taken:
                    await answer.response.aclose()
                    await self._links.give_back(answer.link)
            for balancer in self._attempts.spoiled:
                await self._links.drop(balancer)
