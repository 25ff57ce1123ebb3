"""How a service that is not the lab's is asked, and what its answers are worth."""

from dataclasses import replace

import httpx
import pytest

from lbmesh_chaos.load.mesh import field_of, pieces_of, to_httpx
from lbmesh_chaos.load.messages import MessageReader
from lbmesh_chaos.load.order import Order
from lbmesh_chaos.load.requests import RequestMaker, word_of
from lbmesh_chaos.load.template import RequestTemplate, told_times
from lbmesh_chaos.model.flow import Flow, Kind, Method

TEMPLATE = RequestTemplate(
    "/products/1?drill={id}",
    "/orders",
    "/orders/{id}",
    '{"of": "{id}"}',
    "application/json",
    "X-Drill-Id",
    "X-Drill-Times",
)
FLOWS = tuple(Flow(f"f-{method}", "a", Kind.KEPT, method) for method in Method)
ORDER = Order("c", FLOWS, ("10.1.1.1:80",), 0.0, 10.0, "c.log", "shop.example.com", template=TEMPLATE)


def _sent(index: int) -> tuple[str, str, bytes, dict[str, str]]:
    """As a plain client sends it."""
    asked = RequestMaker(ORDER).request(index, 3, 0.0)
    message = MessageReader(responses=False).feed(asked.data)
    assert message is not None
    names = ("Host", "X-Lbmesh-Drill-Id", "Idempotency-Key", "User-Agent", "Content-Type")
    return message.method.decode(), message.target.decode(), message.body, {one: message.field(one) for one in names}


def _sent_by_httpx(index: int) -> tuple[str, str, bytes, dict[str, str]]:
    request = to_httpx(ORDER, RequestMaker(ORDER).bare(index, 3, 0.0), pieces_of)
    names = ("Host", "X-Lbmesh-Drill-Id", "Idempotency-Key", "User-Agent", "Content-Type")
    told = {one: request.headers.get(one, "") for one in names}
    return request.method, request.url.raw_path.decode(), request.read(), told


@pytest.mark.parametrize("index", range(len(FLOWS)))
def test_all_kinds_of_clients_ask_what_the_template_says(index: int) -> None:
    method, target, body, fields = _sent(index)
    identity = f"{FLOWS[index].name}-3"
    expected = {
        Method.GET: ("GET", f"/products/1?drill={identity}", b""),
        Method.KEYED_POST: ("POST", f"/orders/{identity}", f'{{"of": "{identity}"}}'.encode()),
        Method.POST: ("POST", "/orders", f'{{"of": "{identity}"}}'.encode()),
    }
    assert (method, target, body) == expected[FLOWS[index].method]
    assert (fields["Host"], fields["X-Lbmesh-Drill-Id"]) == ("shop.example.com", identity)
    assert fields["User-Agent"] == "lbmesh-drill"
    assert fields["Content-Type"] == ("application/json" if body else "")
    assert fields["Idempotency-Key"] == (identity if FLOWS[index].method is Method.KEYED_POST else "")
    assert _sent_by_httpx(index) == (method, target, body, fields)


@pytest.mark.parametrize(
    ("status", "fields", "word", "told"),
    [
        (200, {"X-Drill-Id": "f-get-3", "X-Drill-Times": "1"}, "ok", 1),
        (204, {"x-drill-id": "f-get-3", "x-drill-times": "2"}, "ok", 2),
        (200, {"X-Drill-Id": "f-get-3", "X-Drill-Times": "999"}, "ok", 255),
        (200, {"X-Drill-Id": "f-get-3"}, "ok", 0),
        (200, {"X-Drill-Id": "f-get-3", "X-Drill-Times": "once"}, "ok", 0),
        (200, {"X-Drill-Id": "f-get-3", "X-Drill-Times": "0"}, "ok", 0),
        (200, {}, "ok", 0),
        (200, {"X-Drill-Times": "3"}, "ok", 0),
        (200, {"X-Drill-Id": "f-get-4", "X-Drill-Times": "1"}, "foreign answer: f-get-4", 0),
        (200, {"X-Drill-Id": "\x1b[31mred"}, "foreign answer: no request of a drill", 0),
        (404, {"X-Drill-Id": "f-get-3", "X-Drill-Times": "1"}, "404", 0),
        (302, {}, "302", 0),
    ],
)
def test_what_an_answer_tells(status: int, fields: dict[str, str], word: str, told: int) -> None:
    asked = RequestMaker(ORDER).bare(0, 3, 0.0)
    assert word_of(asked, status, b"whatever", field_of(httpx.Response(status, headers=fields))) == word
    assert asked.told == told


def test_without_a_count_an_echo_says_once_and_without_an_echo_nothing_is_looked_for() -> None:
    answer = field_of(httpx.Response(200, headers={"X-Drill-Id": "f-get-3"}))
    for template, told in ((replace(TEMPLATE, count_header=""), 1), (RequestTemplate("/"), 0)):
        asked = RequestMaker(replace(ORDER, template=template)).bare(0, 3, 0.0)
        assert (word_of(asked, 200, b"", answer), asked.told) == ("ok", told)


def test_a_count_is_a_whole_number_above_nothing() -> None:
    assert [told_times(text) for text in ("1", "07", "-1", "1.0", "", "१", "9" * 20)] == [1, 0, 0, 0, 0, 0, 0]
