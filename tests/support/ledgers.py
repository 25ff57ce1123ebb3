"""An origin of somebody else's, that takes part in drills: it gives ids back, and says how often it had them."""

import threading
from collections import Counter
from http import HTTPStatus

from tests.support.origins import OriginConnection


class Ledger:
    """`times`: how often each id came; `lines`: with what request line; `heads`: all that had an id.

    The lies are of requests whose id ends with these digits: `swapped` is given the id of the request before, `doubled`
    is carried out twice, `silent` is told nothing.
    """

    def __init__(self, *, swapped: str = "-", doubled: str = "-", silent: str = "-") -> None:
        self.times: Counter[str] = Counter()
        self.lines: dict[str, str] = {}
        self.bodies: dict[str, bytes] = {}
        self.heads: list[str] = []
        self._lies = swapped, doubled, silent
        self._before = "none-0"
        self._lock = threading.Lock()

    def behave(self, connection: OriginConnection) -> None:
        """Of each of its connections."""
        while head := connection.read_head():
            line, *fields = head.decode().rstrip().split("\r\n")
            told = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
            body = connection.read_exactly(int(told.get("content-length", "0")))
            identity = told.get("x-lbmesh-drill-id", "")
            method, target, _ = line.split()
            is_known = not identity or target.startswith(("/shop?", "/orders"))
            status = HTTPStatus.OK if is_known else HTTPStatus.NOT_FOUND
            said = self._carried_out(identity, f"{method} {target}", head.decode(), body) if identity else b""
            connection.answer(fields=said, status=f"{status.value} {status.phrase}".encode())

    def _carried_out(self, identity: str, line: str, head: str, body: bytes) -> bytes:
        swapped, doubled, silent = self._lies
        with self._lock:
            self.times[identity] += 2 if identity.endswith(doubled) else 1
            self.lines[identity], self.bodies[identity] = line, body
            self.heads.append(head)
            given, self._before = (self._before if identity.endswith(swapped) else identity), identity
            times = self.times[identity]
        return b"" if identity.endswith(silent) else f"X-Drill-Id: {given}\r\nX-Drill-Times: {times}\r\n".encode()
