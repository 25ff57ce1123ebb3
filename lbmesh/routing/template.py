"""Texts with variables in braces, such as "https://{host}{path}": what a rule puts into a field or a redirect."""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass

from lbmesh.routing.asked import Asked

_VALUES: dict[str, Callable[[Asked, bytes], bytes]] = {
    "client_ip": lambda asked, _: asked.client.encode(),
    "host": lambda asked, _: asked.host,
    "port": lambda asked, _: asked.port,
    "scheme": lambda asked, _: asked.scheme,
    "path": lambda asked, _: asked.path,
    "query": lambda asked, _: asked.query,
    "request_id": lambda _, request_id: request_id,
}
REQUEST_VARIABLES = ("client_ip", "host", "port", "scheme", "path", "query")
RESPONSE_VARIABLES = (*REQUEST_VARIABLES, "request_id")
REDIRECT_VARIABLES = ("host", "port", "scheme", "path", "query")

_PIECE = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|([^{}]+)|(.)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Template:
    """`pieces`: literal text, and names of variables."""

    pieces: tuple[tuple[str, bool], ...]
    """(text, False) or (variable, True)."""

    @property
    def variables(self) -> frozenset[str]:
        """The names in it."""
        return frozenset(name for name, is_variable in self.pieces if is_variable)

    def render(self, asked: Asked, request_id: bytes = b"") -> bytes:
        """The text for one request. Values come from a head whose grammar has no line ends and no controls."""
        return b"".join(
            _VALUES[text](asked, request_id) if is_variable else text.encode() for text, is_variable in self.pieces
        )


def parse_template(text: str, variables: Collection[str]) -> Template:
    """Read "{host}" and its like; "{{" and "}}" are braces. Raises ValueError for what is not among `variables`."""
    pieces: list[tuple[str, bool]] = []
    for found in _PIECE.finditer(text):
        name, literal, stray = found.groups()
        if stray is not None:
            raise ValueError('a brace without its other one: write "{{" or "}}" for a brace')
        if name is not None:
            if name not in variables:
                known = ", ".join(f"{{{each}}}" for each in variables)
                raise ValueError(f'no such variable here: write one of {known}, or "{{{{" for a brace')
            pieces.append((name, True))
        else:
            pieces.append((literal if literal is not None else found[0][0], False))
    return Template(tuple(pieces))
