"""A body that broke off goes on from another answer to the same request. Pure.

What the caller was given is known by its length and its digest, so it takes no room, however long it is. Another
answer may take over when it has the same head, as far as that says what the bytes mean, and begins with the same
bytes: then all that the caller gets is one whole body, namely the second one. An answer with a strong validator is
asked for its rest only (RFC 9110 §14.2, §15.3.7.3).
"""

import hashlib
import re
from collections.abc import Sequence

from lbmesh.client.attempts import Answered, Failure

Fields = Sequence[tuple[bytes, bytes]]

_MEANING = (b"content-type", b"content-encoding", b"content-language", b"content-length", b"content-range", b"etag")
"""Fields that say what the bytes of a body are, and of which representation."""
_NEVER_THE_SAME = (b"text/event-stream",)
_STRONG_TAG = re.compile(rb'"[\x21\x23-\x7e\x80-\xff]*"')
_CONTENT_RANGE = re.compile(rb"bytes ([0-9]{1,18})-[0-9]{1,18}/(?:[0-9]{1,18}|\*)", re.IGNORECASE)
_PARTIAL_CONTENT = 206


class DiffersError(Exception):
    """The other answer does not begin with what the caller was given."""


def value_of(fields: Fields, wanted: bytes) -> bytes:
    """The value of a field, lower-case name; b"" when it is missing."""
    return next((value for name, value in fields if name.lower() == wanted), b"")


def is_short(fields: Fields, bytes_max: int) -> bool:
    """True when a head promises a body of at most so many bytes."""
    length = value_of(fields, b"content-length")
    return length.isdigit() and len(length) < 19 and int(length) <= bytes_max


class Continuation:
    """Passes on of another answer's body what comes after the bytes that were given already, once those are known to
    be the same.
    """

    __slots__ = ("_digest", "_expected", "_skip")

    def __init__(self, skip: int, expected: bytes) -> None:
        self._skip = skip
        self._expected = expected
        self._digest = hashlib.sha256()

    def take(self, part: bytes) -> bytes:
        """What of this part is new. Raises DiffersError at the end of those that should be the same."""
        if not self._skip:
            return part
        known, new = part[: self._skip], part[self._skip :]
        self._digest.update(known)
        self._skip -= len(known)
        if not self._skip and self._digest.digest() != self._expected:
            raise DiffersError("begins with other bytes")
        return new

    @property
    def has_caught_up(self) -> bool:
        """All that follows is new."""
        return not self._skip

    def end(self) -> None:
        """The body is over. Raises DiffersError when the caller was given more than it holds."""
        if self._skip:
            raise DiffersError("is shorter than what was given already")


class Resumption:
    """One body on its way to the caller, over as many answers as it takes. `report`: of the last of them."""

    __slots__ = ("_bytes", "_digest", "_meaning", "_status", "_tag", "is_open", "report")

    def __init__(self, report: Answered, status: int, fields: Fields, asked: Fields) -> None:
        """`fields`: of the answer's head; `asked`: of the request's."""
        self.report = report
        self.is_open = not value_of(fields, b"content-type").lower().startswith(_NEVER_THE_SAME)
        """False: no other answer can go on with this one."""
        self._status = status
        self._meaning = _meaning_of(fields)
        self._bytes = 0
        self._digest = hashlib.sha256()
        tag = value_of(fields, b"etag")
        can_split = (
            status == 200 and value_of(fields, b"accept-ranges").lower() == b"bytes" and not value_of(asked, b"range")
        )
        self._tag = tag if can_split and _STRONG_TAG.fullmatch(tag) else b""

    def gave(self, part: bytes) -> None:
        """The caller gets this now."""
        self._bytes += len(part)
        self._digest.update(part)

    def broke(self, what: str) -> Answered:
        """The balancer broke off or fell silent; the report so far, which the next exchange goes on from."""
        failure = Failure(self.report.balancer, f"{what}, {self._bytes} bytes into the body")
        self.report = Answered(self.report.balancer, self.report.attempts, (*self.report.failures, failure))
        return self.report

    def asks(self) -> list[tuple[bytes, bytes]]:
        """Fields to add to the request: for the rest only, where that can be told from another version's."""
        if not self._tag or not self._bytes:
            return []
        return [(b"Range", b"bytes=%d-" % self._bytes), (b"If-Range", self._tag)]

    def goes_on(self, report: Answered, status: int, fields: Fields) -> Continuation | None:
        """How to go on from another answer with this head; None when it cannot be."""
        self.report = report
        if status == _PARTIAL_CONTENT and self._status != _PARTIAL_CONTENT:
            found = _CONTENT_RANGE.fullmatch(value_of(fields, b"content-range"))
            if self._tag and found and int(found[1]) == self._bytes and value_of(fields, b"etag") == self._tag:
                return Continuation(0, b"")
        elif status == self._status and _meaning_of(fields) == self._meaning:
            return Continuation(self._bytes, self._digest.digest())
        return None


def _meaning_of(fields: Fields) -> list[tuple[bytes, bytes]]:
    return sorted((name.lower(), value) for name, value in fields if name.lower() in _MEANING)
