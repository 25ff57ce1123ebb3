"""Where a client finds the balancers: by their names, asked for again and again, as long as somebody answers.

A client that asked its resolver before each connection would be down whenever DNS is; one that asked once would never
hear of a change. This one asks in the background, and goes on with the last good answer (RFC 8767, serve-stale).
"""

import logging
import socket
import threading
from collections.abc import Sequence

from lbmesh.model.address import Address

REFRESH_S = 2.0
"""Between two questions; the lab's resolvers say 5 s is how long their answers hold."""

log = logging.getLogger(__name__)


class Directory:
    """`now`: the addresses that hold, as "10.1.1.1:80", those of the first name first, each in the order of the
    system's resolver, which puts those of the client's own network before others (RFC 6724, 6, rule 9).
    """

    def __init__(self, wanted: Sequence[str]) -> None:
        """`wanted`: addresses or names, with their ports. Raises OSError when a name is not known."""
        self._wanted = tuple(wanted)
        self.now = _resolved(self._wanted)
        self._over = threading.Event()
        self._asking = threading.Thread(target=self._keep, name="directory", daemon=True)
        if self.now != self._wanted:
            self._asking.start()

    def close(self) -> None:
        """Ask no more."""
        self._over.set()

    def _keep(self) -> None:
        while not self._over.wait(REFRESH_S):
            self.refresh()

    def refresh(self) -> None:
        """Ask once more."""
        try:
            self.now = _resolved(self._wanted)
        except OSError as error:
            log.warning("no resolver answers, the last answer stands: %s", error)


def _resolved(wanted: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(address for text in wanted for address in _addresses_of(text)))


def _addresses_of(text: str) -> list[str]:
    host, _, port = text.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    found = socket.getaddrinfo(bare, port, type=socket.SOCK_STREAM)
    return [str(Address(str(where[0]), int(port))) for *_, where in found]
