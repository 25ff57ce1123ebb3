"""What one attempt came to, and what the request makes of it. Shared by both transports."""

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import httpcore
import httpx

from lbmesh.client.attempts import Answered, Attempts, Judgement
from lbmesh.client.idle import ConnectionKey
from lbmesh.client.translate import DialError, is_break, is_timeout, tell, to_httpx


class Link(Protocol):
    """A connection to one balancer."""

    key: ConnectionKey


LinkT = TypeVar("LinkT", bound=Link)


@dataclass(frozen=True, slots=True)
class Answer(Generic[LinkT]):
    """The head of an answer is here; its body is unread, or held whole."""

    attempt: int
    link: LinkT
    response: httpcore.Response
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class Broke:
    """Connected, but no answer."""

    attempt: int
    error: Exception
    reused: bool


@dataclass(frozen=True, slots=True)
class NotDialled:
    """No connection, so nothing was sent."""

    attempt: int
    error: DialError


Outcome = Answer[LinkT] | Broke | NotDialled


class Verdicts(Generic[LinkT]):
    """Tells the pure core of each outcome, and keeps the answers that wait for a better one, and the last
    error.
    """

    def __init__(self, attempts: Attempts) -> None:
        self.kept: list[Answer[LinkT]] = []
        self._attempts = attempts
        self._error: Exception | None = None

    def judge(self, outcome: Outcome[LinkT], now: float) -> Answer[LinkT] | None:
        """The answer, if it is one to take.

        Raises the error of an attempt that was nobody's network's fault (a malformed request, a bug).
        """
        match outcome:
            case Answer(attempt, _, response, _):
                if self._attempts.answered(attempt, response.status, now) is Judgement.TAKE:
                    return outcome
                self.kept.append(outcome)
            case NotDialled(attempt, error):
                self._error = error
                self._attempts.dial_failed(attempt, error.failures, now, timed_out=error.timed_out)
            case Broke(attempt, error, reused):
                if not is_break(error) and not is_timeout(error):
                    raise to_httpx(error)
                self._error = error
                self._attempts.broke(attempt, tell(error), now, reused=reused, timed_out=is_timeout(error))
        return None

    def last_resort(self) -> Answer[LinkT]:
        """Nothing more can be tried: the last of the answers put aside.

        Raises the last error, with what happened at every balancer, when there was no answer at all.
        """
        if self.kept:
            return self.kept.pop()
        if self._error is None:
            # An exchange that goes on with another's body found no budget for an attempt of its own.
            raise httpx.RemoteProtocolError(self._attempts.describe())
        raise to_httpx(self._error, self._attempts.describe()) from self._error

    def report(self, answer: Answer[LinkT]) -> Answered:
        """What the caller finds in the response's extensions."""
        return Answered(answer.link.key.balancer, self._attempts.started, tuple(self._attempts.failures))
