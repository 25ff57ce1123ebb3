"""What its route's rules do to one request, and to the answer to it. A request to a route without rules has none."""

from lbmesh.http1.message import RequestHead, ResponseHead
from lbmesh.routing.asked import Asked
from lbmesh.routing.field_edits import REMEMBERED_HEAD_BYTES_MAX
from lbmesh.routing.rules import Answer, ReadyRules

Rewritten = tuple[RequestHead, bytes]
"""A head as it came, and what it became."""


class RuledRequest:
    """`asked`: what the rules look at."""

    __slots__ = ("_request_id", "_response_edits", "_rewritten", "_rules", "asked")

    def __init__(self, rules: ReadyRules, asked: Asked, request_id: bytes, rewritten: Rewritten | None) -> None:
        """`rewritten`: what `to_remember` gave of the last such request of the same client's connection."""
        self.asked = asked
        self._rules = rules
        self._request_id = request_id
        self._response_edits = rules.response_edits
        self._rewritten = rewritten

    def obey(self, request: bytes, now: float) -> bytes | Answer:
        """The request's bytes as they go on, or the answer that it gets here."""
        answer = self._rules.answer(self.asked, now)
        if answer is not None:
            return answer
        return self._rewrite(request) if self._rules.edits_requests else request

    def _rewrite(self, request: bytes) -> bytes | Answer:
        """The edited head in the place of the one that came; an answer when that cannot be done.

        What a head became is remembered with it, for as long as the client's connection remembers the head.
        """
        head = self.asked.head
        if self._rewritten is None or self._rewritten[0] is not head:
            edited = self._rules.request_head(self.asked)
            if isinstance(edited, Answer):
                return edited
            self._rewritten = head, edited
        return self._rewritten[1] + request[len(head.head) :]

    def to_remember(self) -> Rewritten | None:
        """For the next request of the connection, which may be the same."""
        return self._rewritten if self.asked.head.head_bytes <= REMEMBERED_HEAD_BYTES_MAX else None

    def edit_response(self, head: ResponseHead, head_out: bytes, via_line: bytes) -> tuple[bytes, ResponseHead]:
        """A replica's head as the rules want it, in both its forms. `head_out`: as a keep-alive HTTP/1.1 client gets
        it, which ends with `via_line`.
        """
        if self._response_edits is None:
            return head_out, head
        head = head._replace(head=self._response_edits.edit_again(head.head, self.asked, self._request_id))
        return head.head + via_line, head

    def edit_own_answer(self, answer: bytes) -> bytes:
        """An answer of the balancer's own as the rules want it."""
        if self._response_edits is None:
            return answer
        start, _, body = answer.partition(b"\r\n\r\n")
        head = self._response_edits.edit(start + b"\r\n", self.asked, self._request_id)
        return b"%b\r\n%b" % (head, body)
