"""Header fields taken out, put in place of others, and added, as a route's rules say."""

import re

from lbmesh.http1.grammar import caseless
from lbmesh.model.route_rules import FieldEdits
from lbmesh.routing.asked import Asked
from lbmesh.routing.template import RESPONSE_VARIABLES, Template, parse_template

HEADS_REMEMBERED_MAX = 256
REMEMBERED_HEAD_BYTES_MAX = 1024
"""Edited heads remembered, where an edit depends on nothing but the head; more of them only clear the memory."""


class FieldEditor:
    """One set of edits, made ready."""

    __slots__ = ("_added", "_constant", "_remembered", "_removed")

    def __init__(self, edits: FieldEdits) -> None:
        names = [*edits.remove, *(name for name, _ in edits.set)]
        patterns = b"|".join(caseless(name.encode()) for name in names)
        self._removed = re.compile(rb"\n(?:" + patterns + rb"):[^\r]*+\r") if names else None
        self._added: tuple[tuple[bytes, Template], ...] = tuple(
            (name.encode(), parse_template(value, RESPONSE_VARIABLES)) for name, value in (*edits.set, *edits.add)
        )
        self._constant: bytes | None = None
        if not any(value.variables for _, value in self._added):
            self._constant = b"".join(
                b"%b: %b\r\n" % (name, b"".join(text.encode() for text, _ in value.pieces))
                for name, value in self._added
            )
        self._remembered: dict[bytes, bytes] = {}

    def edit(self, head: bytes, asked: Asked, request_id: bytes = b"") -> bytes:
        """`head`: a start line and field lines, each with its CRLF, without the empty line; so is what comes back.

        A field whose value comes out empty is left out.
        """
        if self._constant is not None:
            return self._without_removed(head) + self._constant
        values = ((name, value.render(asked, request_id)) for name, value in self._added)
        added = b"".join(b"%b: %b\r\n" % (name, value) for name, value in values if value)
        return self._without_removed(head) + added

    def edit_again(self, head: bytes, asked: Asked, request_id: bytes) -> bytes:
        """As `edit`, for heads that are likely to be the same as before: a replica's answers."""
        if self._constant is None or len(head) > REMEMBERED_HEAD_BYTES_MAX:
            return self.edit(head, asked, request_id)
        edited = self._remembered.get(head)
        if edited is None:
            if len(self._remembered) >= HEADS_REMEMBERED_MAX:
                self._remembered.clear()
            edited = self._remembered[head] = self.edit(head, asked)
        return edited

    def _without_removed(self, head: bytes) -> bytes:
        return self._removed.sub(b"", head) if self._removed else head
