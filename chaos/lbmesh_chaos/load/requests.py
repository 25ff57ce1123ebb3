"""The requests of an order, and what their answers are worth. Pure."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from lbmesh_chaos.load.bodies import ID, ID_HEADER, PIECE_BYTES, SIZES, body_of, judge_body, target_of
from lbmesh_chaos.load.order import Order, identity_of
from lbmesh_chaos.load.template import USER_AGENT, RequestTemplate, filled, told_times
from lbmesh_chaos.model.flow import Body, Flow, Kind, Method
from lbmesh_chaos.model.tally import FOREIGN_ANSWER, OK

KEY_HEADER = "Idempotency-Key"
_FLAG = re.compile(rb"\(([A-Z0-9_]{1,16}), request ")
"""In the text of an answer that lbmesh gave itself: why."""


@dataclass(frozen=True, slots=True)
class RequestParts:
    """What is asked, but for its framing. `fields`: Host among them."""

    method: str
    target: str
    fields: dict[str, str]
    body: bytes


def parts_of(order: Order, flow: Flow, identity: str) -> RequestParts:
    """The request of this id."""
    method = "GET" if flow.method is Method.GET else "POST"
    fields = {"Host": order.host, ID_HEADER: identity}
    if flow.method is Method.KEYED_POST:
        fields[KEY_HEADER] = identity
    template = order.template
    if template is None:
        body = b"" if flow.method is Method.GET else body_of(identity, SIZES[flow.body])
        return RequestParts(method, target_of(identity, flow.body), fields, body)
    fields["User-Agent"] = USER_AGENT
    body = b""
    if flow.method is not Method.GET:
        fields["Content-Type"] = template.content_type
        body = filled(template.body, identity).encode()
    return RequestParts(method, filled(template.target(flow.method), identity), fields, body)


class Asked:
    """One request under way. `data` and `pieces`: for the wire. `answer_bytes`: of a good answer's body. `template`: of
    a service that is not the lab's; `told`: how often that says it had carried the request out; 0: it said nothing.
    """

    __slots__ = (
        *("answer_bytes", "data", "due_s", "ended", "flow", "identity"),
        *("number", "pieces", "sent_s", "template", "told"),
    )

    def __init__(
        self, flow: int, number: int, identity: str, due_s: float, answer_bytes: int, template: RequestTemplate | None
    ) -> None:
        self.flow = flow
        self.number = number
        self.identity = identity
        self.due_s = due_s
        self.answer_bytes = answer_bytes
        self.template = template
        self.told = 0
        self.data = b""
        self.pieces: tuple[bytes, ...] = ()
        self.sent_s: float | None = None
        self.ended = False


class RequestMaker:
    """Makes an order's requests."""

    def __init__(self, order: Order) -> None:
        self._order = order

    def request(self, index: int, number: int, due_s: float) -> Asked:
        """With its bytes: a head and a small body at once; a streamed body in pieces, the head alone before them."""
        flow = self._order.flows[index]
        asked = self.bare(index, number, due_s)
        parts = parts_of(self._order, flow, asked.identity)
        body = parts.body
        lines = [f"{parts.method} {parts.target} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in parts.fields.items()]
        if flow.kind is Kind.FRESH:
            lines.append("Connection: close")
        if flow.method is not Method.GET:
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
        flow = self._order.flows[index]
        size = SIZES[flow.body] if flow.method is Method.GET else SIZES[Body.SMALL]
        return Asked(index, number, identity_of(flow, number), due_s, size, self._order.template)


def word_of(asked: Asked, status: int, body: bytes, field: Callable[[str], str]) -> str:
    """What the log says of a whole answer: "ok", "503 UH", "foreign body: whose". `field`: a field's value by its name,
    "" when the answer has none.
    """
    if 200 <= status < 300:
        if asked.template is not None:
            return _heeded(asked, asked.template, field)
        word, detail = judge_body(asked.identity, body, asked.answer_bytes)
        return word if word == OK else f"{word}: {detail}"
    flag = _FLAG.search(body)
    return f"{status} {flag[1].decode()}" if flag else str(status)


def _heeded(asked: Asked, template: RequestTemplate, field: Callable[[str], str]) -> str:
    """A good answer of a service that is not the lab's, with what it tells noted."""
    if not template.echo_header:
        return OK
    echoed = field(template.echo_header)
    if echoed and echoed != asked.identity:
        return f"{FOREIGN_ANSWER}: {echoed if ID.fullmatch(echoed.encode()) else 'no request of a drill'}"
    if echoed:
        asked.told = told_times(field(template.count_header)) if template.count_header else 1
    return OK
