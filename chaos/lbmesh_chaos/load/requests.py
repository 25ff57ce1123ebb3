"""The requests of an order, and what their answers are worth. Pure."""

import re

from lbmesh_chaos.load.bodies import ID_HEADER, PIECE_BYTES, SIZES, body_of, judge_body, target_of
from lbmesh_chaos.load.order import Order, identity_of
from lbmesh_chaos.model.flow import Body, Kind, Method
from lbmesh_chaos.model.tally import OK

KEY_HEADER = "Idempotency-Key"
_FLAG = re.compile(rb"\(([A-Z0-9_]{1,16}), request ")
"""In the text of an answer that lbmesh gave itself: why."""


class Asked:
    """One request under way. `data` and `pieces`: for the wire. `answer_bytes`: of a good answer's body."""

    __slots__ = ("answer_bytes", "data", "due_s", "ended", "flow", "identity", "number", "pieces", "sent_s")

    def __init__(self, flow: int, number: int, identity: str, due_s: float, answer_bytes: int) -> None:
        self.flow = flow
        self.number = number
        self.identity = identity
        self.due_s = due_s
        self.answer_bytes = answer_bytes
        self.data = b""
        self.pieces: tuple[bytes, ...] = ()
        self.sent_s: float | None = None
        self.ended = False


class RequestMaker:
    """Makes an order's requests."""

    def __init__(self, order: Order) -> None:
        self._flows = order.flows
        self._host = order.host

    def request(self, index: int, number: int, due_s: float) -> Asked:
        """With its bytes: a head and a small body at once; a streamed body in pieces, the head alone before them."""
        flow = self._flows[index]
        asked = self.bare(index, number, due_s)
        identity = asked.identity
        lines = [f"{'GET' if flow.method is Method.GET else 'POST'} {target_of(identity, flow.body)} HTTP/1.1"]
        lines += [f"Host: {self._host}", f"{ID_HEADER}: {identity}"]
        if flow.method is Method.KEYED_POST:
            lines.append(f"{KEY_HEADER}: {identity}")
        if flow.kind is Kind.FRESH:
            lines.append("Connection: close")
        body = b""
        if flow.method is not Method.GET:
            body = body_of(identity, SIZES[flow.body])
            if flow.body is Body.STREAM:
                lines.append("Transfer-Encoding: chunked")
                cut = [body[at : at + PIECE_BYTES] for at in range(0, len(body), PIECE_BYTES)]
                chunks = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in cut]
                asked.pieces, body = (*chunks[:-1], chunks[-1] + b"0\r\n\r\n"), b""
            else:
                lines.append(f"Content-Length: {len(body)}")
        asked.data = "\r\n".join([*lines, "", ""]).encode() + body
        return asked

    def bare(self, index: int, number: int, due_s: float) -> Asked:
        """Without its bytes."""
        flow = self._flows[index]
        size = SIZES[flow.body] if flow.method is Method.GET else SIZES[Body.SMALL]
        return Asked(index, number, identity_of(flow, number), due_s, size)


def word_of(asked: Asked, status: int, body: bytes) -> str:
    """What the log says of a whole answer: "ok", "503 UH", "foreign body: whose"."""
    if 200 <= status < 300:
        word, detail = judge_body(asked.identity, body, asked.answer_bytes)
        return word if word == OK else f"{word}: {detail}"
    flag = _FLAG.search(body)
    return f"{status} {flag[1].decode()}" if flag else str(status)
