"""Asking a node over its admin address, and saying in plain words why that did not work."""

import json
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import httpx

from lbmesh.admin.text import plain
from lbmesh.model.address import Address

TIMEOUT_S = 5.0


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
        response = httpx.request(
            method, f"http://{address}{path}", json=order, headers=headers, timeout=TIMEOUT_S, trust_env=False
        )
    except httpx.TimeoutException:
        return f"no answer from {address} within {TIMEOUT_S:g} s: the node hangs, or a firewall is between"
    except httpx.HTTPError as error:
        advice = whom.else_where() if whom.else_where else "Is lbmesh running there, and is this its [admin] bind?"
        return f"cannot ask {address}: {_why(error)}. {advice}"
    match response.status_code:
        case 200 | 400 | 404 | 409:
            return response
        case 401:
            return f"{address} wants its admin token: give -c FILE of that node, or --token-file FILE"
        case 403:
            return f"{address} refuses: {response.text.strip()}"
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


def _why(error: BaseException) -> str:
    """The system's own words, without the number and the layers around them."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror.lower()
        cause = cause.__cause__ or cause.__context__
    return str(error)
