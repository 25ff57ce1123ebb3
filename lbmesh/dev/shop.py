"""The sample application: a bakery that takes orders. Pure: requests in, replies out.

Each replica has its own till. An order carries an Idempotency-Key: the same key at the same replica is the
same order. Replicas do not talk to each other, so a key that shows up at two of them is a duplicate, which
is what the drill counts.
"""

import html
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

ORDERS_MAX = 100_000
KEY = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")
MENU = {"rye bread": 420, "pretzel": 110, "poppy seed roll": 90, "plum cake": 310}
"""Names and prices in cents."""

COUNT_MAX = 100


@dataclass(frozen=True, slots=True)
class Ordered:
    """An order in the books."""

    key: str
    item: str
    count: int


@dataclass(frozen=True, slots=True)
class Request:
    """What of an HTTP request matters here. `path` is without its query."""

    method: str
    path: str
    key: str = ""
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Reply:
    """`booked`: a new order, to be written down before the reply goes out."""

    status: int
    body: bytes
    content_type: str = "application/json"
    booked: Ordered | None = None


class Shop:
    """One replica's counter and books."""

    def __init__(self, name: str, zone: str, pid: int, books: Iterable[Ordered] = ()) -> None:
        self._name = name
        self._zone = zone
        self._pid = pid
        self._visits = 0
        self._orders = {order.key: order for order in books}

    def serve(self, request: Request) -> Reply:
        """Answer one request."""
        match request.method, request.path:
            case "GET" | "HEAD", "/healthz":
                return _json(200, {"ok": True})
            case "GET" | "HEAD", "/":
                self._visits += 1
                return Reply(200, self._page().encode(), "text/html; charset=utf-8")
            case "GET" | "HEAD", "/menu":
                self._visits += 1
                return _json(200, {"cents": MENU, "served_by": self._name, "visits": self._visits})
            case "GET" | "HEAD", "/whoami":
                return _json(200, {"replica": self._name, "zone": self._zone, "pid": self._pid})
            case "GET" | "HEAD", "/orders":
                return _json(200, {"keys": list(self._orders)})
            case "POST", "/orders":
                return self._book(request)
            case _, "/" | "/healthz" | "/menu" | "/whoami" | "/orders":
                return _json(405, {"error": f"{request.method} is not for {request.path}"})
            case _:
                return _json(404, {"error": "there are /, /menu, /whoami, /healthz and /orders here"})

    def _book(self, request: Request) -> Reply:
        if not KEY.match(request.key):
            return _json(400, {"error": "send an Idempotency-Key: 1 to 64 letters, digits, '.', '_' or '-'"})
        known = self._orders.get(request.key)
        wanted = read_order(request.key, request.body)
        if wanted is None:
            return _json(400, {"error": f'send {{"item": one of {list(MENU)}, "count": 1 to {COUNT_MAX}}}'})
        if known is not None and known != wanted:
            return _json(422, {"error": "this Idempotency-Key was used for another order: choose a new one"})
        if known is not None:
            return _json(200, {"order": known.key, "cents": MENU[known.item] * known.count, "again": True})
        if len(self._orders) >= ORDERS_MAX:
            return _json(503, {"error": "the books are full: restart this replica"})
        self._orders[wanted.key] = wanted
        answer = {"order": wanted.key, "cents": MENU[wanted.item] * wanted.count, "again": False}
        return _json(201, answer, booked=wanted)

    def _page(self) -> str:
        rows = "".join(f"<tr><td>{html.escape(item)}<td>{cents / 100:.2f}</tr>" for item, cents in MENU.items())
        return (
            '<!doctype html><meta charset="utf-8"><title>Bakery</title>'
            "<style>body{font:1.1rem/1.6 system-ui;max-width:34rem;margin:3rem auto}td{padding-right:2rem}</style>"
            f"<h1>Bakery</h1><table>{rows}</table>"
            f"<p>Served by <b>{html.escape(self._name)}</b> in <b>{html.escape(self._zone)}</b>, "
            f"visit {self._visits}, {len(self._orders)} orders in the books."
        )


def read_order(key: str, body: bytes) -> Ordered | None:
    """An order from its JSON; None when it is not one."""
    try:
        wanted = json.loads(body)
    except (ValueError, RecursionError):  # the latter for thousands of brackets
        return None
    match wanted:
        case {"item": str(item), "count": int(count)} if item in MENU and count is not True and 1 <= count <= COUNT_MAX:
            return Ordered(key, item, count)
        case _:
            return None


def _json(status: int, answer: object, booked: Ordered | None = None) -> Reply:
    return Reply(status, json.dumps(answer).encode() + b"\n", booked=booked)
