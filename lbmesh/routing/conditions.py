"""Whether a request fulfils what a route asks for beside host and path."""

from collections.abc import Callable

from lbmesh.http1.message import RequestHead
from lbmesh.model.route import Conditions
from lbmesh.routing.request_fields import Read, header_reader, query_reader

Accepts = Callable[[RequestHead], bool]


def compile_conditions(conditions: Conditions) -> Accepts:
    """A test of all conditions at once, the cheapest first."""
    methods = frozenset(method.encode() for method in conditions.methods)
    wanted: list[tuple[Read, bytes | None]] = [
        *((query_reader(name), _encoded(value)) for name, value in conditions.query),
        *((header_reader(name), _encoded(value)) for name, value in conditions.headers),
    ]

    def accepts(head: RequestHead) -> bool:
        if methods and head.method not in methods:
            return False
        for read, value in wanted:
            found = read(head)
            if found is None or (value is not None and found != value):
                return False
        return True

    return accepts


def _encoded(value: str | None) -> bytes | None:
    return None if value is None else value.encode()
