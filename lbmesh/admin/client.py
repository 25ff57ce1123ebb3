"""Asking a node over its admin address, and saying in plain words why that did not work."""

import json
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Thread
from time import monotonic

import httpx

from lbmesh.admin.text import plain, short
from lbmesh.model.address import Address

TIMEOUT_S = 5.0
"""For each step: to connect, to send, and to wait for the next piece of the answer."""
ANSWER_S = 30.0
"""For all steps together, since pieces may be as small as a byte. A node gives its client no more, either."""
ANSWER_BYTES_MAX = 64 * 1024 * 1024
"""Some 100 bytes an opinion: room for ten thousand replicas with the words of fifty observers each."""

OTHER_SHAPE = (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError)
"""What reading an answer raises that has another shape than was expected."""

_REFUSAL_CHARS_MAX = 500


@dataclass(frozen=True, slots=True)
class Asked:
    """Whom to ask. `else_where` says whom to ask instead, should nobody answer there; without it, how to find out
    why. `options`: how the command line said it, to be said again in commands that are proposed.
    """

    admin_address: Address
    token: str | None = None
    else_where: Callable[[], str] | None = None
    options: tuple[str, ...] = ()

    def command(self, *words: str) -> str:
        """A command that asks the same node, to be typed as it stands."""
        return command_line(*words, *self.options)


def command_line(*words: str) -> str:
    """A command of ours, to be typed as it stands."""
    return shlex.join(("lbmesh", *words))


def ask(whom: Asked, path: str, order: Mapping[str, object] | None = None) -> httpx.Response | str:
    """The node's answer, whose status is 200, or 400, 404 or 409 with its reason; or what to tell the operator
    instead. `order`: what the node is to do; without it, nothing changes there.
    """
    address = whom.admin_address
    method = "GET" if order is None else "POST"
    headers = {"Authorization": f"Bearer {whom.token}"} if whom.token else {}
    try:
        response = _in_time(httpx.Request(method, f"http://{address}{path}", json=order, headers=headers))
    except httpx.TimeoutException:
        return f"no answer from {address} within {TIMEOUT_S:g} s: the node hangs, or a firewall is between"
    except TimeoutError:
        return (
            f"the answer of {address} has no end after {ANSWER_S:g} s: the way there is slow, or it is no lbmesh node; "
            "ask from its own machine"
        )
    except _TooLongError:
        return (
            f"the answer of {address} is longer than {ANSWER_BYTES_MAX >> 20} MiB: is it the admin address of an "
            "lbmesh node?"
        )
    except (httpx.InvalidURL, UnicodeError):
        return f"cannot ask {address}: no request can name it so; write an IP address and a port"
    except httpx.HTTPError as error:
        advice = whom.else_where() if whom.else_where else "Is lbmesh running there, and is this its [admin] bind?"
        return f"cannot ask {address}: {_why(error)}. {advice}"
    match response.status_code:
        case 200 | 400 | 404 | 409:
            return response
        case 401:
            return f"{address} wants its admin token: give -c FILE of that node, or --token-file FILE"
        case 403:
            return f"{address} refuses: {short(response.text.strip(), _REFUSAL_CHARS_MAX)}"
        case status:
            return f"{address} answered with status {status}: is it the admin address of an lbmesh node?"


def other_release(whom: Asked) -> str:
    """What to say of an answer in another shape."""
    return f"{whom.admin_address} answered with something else than was asked for: are both of one release?"


def fail(verb: str, message: str, *, meant: Sequence[str] = (), as_json: bool) -> int:
    """Say why a verb did nothing, and the exit code. `meant`: what may have been meant, each to be typed as it stands.
    A program that reads JSON gets an object on standard output, people a text on standard error.
    """
    if as_json:
        print(json.dumps({"error": message, "meant": list(meant)}), flush=True)
    else:
        print(plain(f"lbmesh {verb}: {message}"), *(f"  {plain(one)}" for one in meant), sep="\n", file=sys.stderr)
    return 1


class _TooLongError(Exception):
    """The answer is longer than ANSWER_BYTES_MAX."""


def _in_time(request: httpx.Request) -> httpx.Response:
    """The whole answer. Raises httpx.HTTPError, _TooLongError, or TimeoutError after ANSWER_S."""
    answered: Future[httpx.Response] = Future()
    # httpx bounds each read, and the head of an answer can be a read a byte: a thread can be left waiting for that.
    Thread(target=_fetch, args=(request, answered), daemon=True).start()
    return answered.result(ANSWER_S)


def _fetch(request: httpx.Request, answered: "Future[httpx.Response]") -> None:
    until_s = monotonic() + ANSWER_S
    try:
        with httpx.Client(timeout=TIMEOUT_S, trust_env=False) as client:
            response = client.send(request, stream=True)
            body = bytearray()
            # Unpacked, a piece could be a thousand times as large; a node packs nothing.
            for piece in response.iter_raw():
                body += piece
                if len(body) > ANSWER_BYTES_MAX:
                    raise _TooLongError
                if monotonic() > until_s:
                    raise TimeoutError
            kind = {"Content-Type": response.headers.get("Content-Type", "")}
            answered.set_result(httpx.Response(response.status_code, headers=kind, content=bytes(body)))
    except Exception as error:
        answered.set_exception(error)


def _why(error: BaseException) -> str:
    """The system's own words, without the number, the layers around them and a full stop."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror.lower()
        cause = cause.__cause__ or cause.__context__
    return str(error).rstrip(".")
