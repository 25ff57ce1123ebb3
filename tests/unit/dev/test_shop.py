"""The sample application's counter and books."""

import json

import pytest

from lbmesh.dev.shop import MENU, Ordered, Request, Shop, read_order

PRETZELS = b'{"item": "pretzel", "count": 2}'


def shop(*books: Ordered) -> Shop:
    return Shop("app-a1", "zone-a", 4711, books)


def order(key: str, body: bytes = PRETZELS) -> Request:
    return Request("POST", "/orders", key, body)


def test_pages_say_who_serves_and_count_visits() -> None:
    counter = shop()

    first = json.loads(counter.serve(Request("GET", "/menu")).body)
    page = counter.serve(Request("GET", "/"))

    assert first == {"cents": MENU, "served_by": "app-a1", "visits": 1}
    assert b"<b>app-a1</b> in <b>zone-a</b>, visit 2" in page.body
    assert json.loads(counter.serve(Request("GET", "/whoami")).body)["pid"] == 4711
    assert counter.serve(Request("GET", "/healthz")).status == 200


def test_an_order_is_booked_once_for_a_key() -> None:
    counter = shop()

    first, again = counter.serve(order("k-1")), counter.serve(order("k-1"))

    assert (first.status, first.booked) == (201, Ordered("k-1", "pretzel", 2))
    assert (again.status, again.booked) == (200, None)
    assert json.loads(again.body) == {"order": "k-1", "cents": 220, "again": True}
    assert json.loads(counter.serve(Request("GET", "/orders")).body) == {"keys": ["k-1"]}


def test_books_that_were_kept_are_known() -> None:
    assert shop(Ordered("k-1", "pretzel", 2)).serve(order("k-1")).status == 200


def test_a_key_is_not_for_two_different_orders() -> None:
    counter = shop(Ordered("k-1", "pretzel", 2))

    assert counter.serve(order("k-1", b'{"item": "plum cake", "count": 1}')).status == 422


@pytest.mark.parametrize("key", ["", "a b", "x" * 65, "é"])
def test_an_order_needs_a_key(key: str) -> None:
    assert shop().serve(order(key)).status == 400


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"[" * 4096,
        b"\xff",
        b'{"item": "pretzel"}',
        b'{"item": "gold", "count": 1}',
        b'{"item": "pretzel", "count": 0}',
        b'{"item": "pretzel", "count": "2"}',
        b'{"item": ["pretzel"], "count": 2}',
        b'{"item": "pretzel", "count": true}',
    ],
)
def test_what_is_not_an_order_is_refused(body: bytes) -> None:
    assert read_order("k-1", body) is None
    assert shop().serve(order("k-1", body)).status == 400


def test_other_paths_and_methods() -> None:
    assert shop().serve(Request("GET", "/basket")).status == 404
    assert shop().serve(Request("DELETE", "/orders")).status == 405
