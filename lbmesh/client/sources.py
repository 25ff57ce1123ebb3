"""Asks where the balancers are: the system's resolver for a name, or a node's admin API. Blocking, so in a thread."""

import json
import socket
from collections.abc import Callable, Sequence
from zlib import crc32

import httpx

from lbmesh.client.admin_picture import OTHER_SHAPE, Picture, picture_of
from lbmesh.client.directory import Endpoint
from lbmesh.client.limits import STATE_BYTES_MAX
from lbmesh.client.listing import Admin
from lbmesh.model.address import Address

ADMIN_TIMEOUT_S = 2.0
"""For each step of asking one node, before the next is asked."""

Ask = Callable[[], Sequence[Endpoint] | str]
"""The addresses in the source's order, or why there are none."""


def resolver(entry: Endpoint) -> Ask:
    """All addresses of a name, of both families, as the system's resolver orders them; each in the name's zone."""

    def ask() -> Sequence[Endpoint] | str:
        name, port = entry.address.host, entry.address.port
        try:
            found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
        except OSError as error:
            return f"does not resolve: {(error.strerror or str(error)).lower()}"
        return [Endpoint(Address(_host(address), port), entry.zone) for _, _, _, _, address in found]

    return ask


def _host(address: Sequence[object]) -> str:
    """glibc gives a link-local address with its scope as a number beside it."""
    host = str(address[0])
    scope = address[3] if len(address) > 3 else 0
    return f"{host}%{scope}" if scope and "%" not in host else host


class AdminApi:
    """What the first node says that answers and hears most of the mesh, beginning with the one that did the last time.

    The word of one that hears fewer changes nothing: cut off from the others, it takes them for dead, while clients
    reach them. What was believed last stands then, for somebody has answered; for the first time, such a word is better
    than nothing. Called by one thread at a time.
    """

    def __init__(self, admin: Admin, seed: float | None) -> None:
        """`seed`: of this client's own order, the same at each answer; None: the node's."""
        self._admin = admin
        self._seed = seed
        self._addresses = list(admin.addresses)
        self._headers = {"Authorization": f"Bearer {admin.token}"} if admin.token else {}
        self._believed: Sequence[Endpoint] = ()

    def __call__(self) -> Sequence[Endpoint] | str:
        told: list[str] = []
        doubtful: Sequence[Endpoint] = ()
        for address in list(self._addresses):
            picture = self._picture(address)
            if isinstance(picture, str):
                told.append(f"{address} {picture}")
            elif not picture.endpoints:
                told.append(f"{address} knows no front and no member")
            elif picture.hears_most:
                self._addresses.remove(address)
                self._addresses.insert(0, address)
                self._believed = self._in_order(picture.endpoints)
                return self._believed
            else:
                doubtful = doubtful or picture.endpoints
        if doubtful:
            self._believed = self._believed or self._in_order(doubtful)
            return self._believed
        return "; ".join(told)

    def _picture(self, address: str) -> Picture | str:
        try:
            state = json.loads(_fetch(f"{self._admin.scheme}://{address}/v1/state", self._headers))
            return picture_of(state, self._admin.port)
        except (httpx.HTTPError, _RefusedError) as error:
            return str(error) or "did not answer in time"
        except OTHER_SHAPE:
            return "answered with something else: is it the admin address of an lbmesh node?"

    def _in_order(self, found: Sequence[Endpoint]) -> Sequence[Endpoint]:
        if self._seed is None:
            return found
        return sorted(found, key=lambda each: crc32(f"{self._seed} {each.address}".encode()))


class _RefusedError(Exception):
    """The node answered, but not with its state."""


def _fetch(url: str, headers: dict[str, str]) -> bytes:
    with (
        httpx.Client(timeout=ADMIN_TIMEOUT_S, trust_env=False, headers=headers) as client,
        client.stream("GET", url) as response,
    ):
        if response.status_code == httpx.codes.UNAUTHORIZED:
            raise _RefusedError("wants its admin token: give Admin(..., token=...)")
        if response.status_code != httpx.codes.OK:
            raise _RefusedError(f"answered with status {response.status_code}")
        state = bytearray()
        for part in response.iter_bytes():
            state += part
            if len(state) > STATE_BYTES_MAX:
                raise _RefusedError(f"answered with more than {STATE_BYTES_MAX >> 20} MiB")
        return bytes(state)
