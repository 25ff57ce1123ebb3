"""What the balancer writes itself: its own answers, and a response's head as one client must get it."""

import h11
import pytest

from lbmesh.http1.local_response import RETRY_AFTER_S, local_response
from lbmesh.http1.response_rewrite import rewrite_for_client, via

DATE = b"Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"


def read(data: bytes, method: str) -> tuple[h11.Response, bytes, bool]:
    """The response as a client reads it, its body, and whether the connection can be used again."""
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method=method, target="/", headers=[("Host", "h")]))
    client.send(h11.EndOfMessage())
    client.receive_data(data)
    response = client.next_event()
    assert isinstance(response, h11.Response)
    body = b""
    while isinstance(event := client.next_event(), h11.Data):
        body += event.data
    assert isinstance(event, h11.EndOfMessage)
    return response, body, client.their_state is h11.DONE


@pytest.mark.parametrize("status", [400, 404, 405, 408, 413, 414, 417, 431, 499, 500, 501, 502, 503, 504, 505])
@pytest.mark.parametrize("keep_alive", [True, False])
def test_an_answer_is_whole_and_says_why(status: int, keep_alive: bool) -> None:
    data = local_response(
        status, reason="the_reason", detail="what", request_id=b"id-1", keep_alive=keep_alive, date=DATE
    )
    response, body, reusable = read(data, "GET")
    fields = dict(response.headers)
    assert response.status_code == status
    assert response.reason
    assert reusable is keep_alive
    assert all(word in body for word in (b"what", b"the_reason", b"id-1"))
    assert fields[b"x-request-id"] == b"id-1"
    assert fields[b"cache-control"] == b"no-store"
    assert fields.get(b"retry-after") == (str(RETRY_AFTER_S).encode() if status == 503 else None)
    assert (b"allow" in fields) == (status == 405)


def test_an_answer_to_head_has_no_body() -> None:
    data = local_response(502, reason="r", detail="d", request_id=b"i", keep_alive=True, to_head=True, date=DATE)
    response, body, reusable = read(data, "HEAD")
    assert body == b""
    assert reusable
    assert dict(response.headers)[b"content-length"] != b"0"


HEAD = (
    b"HTTP/1.1 200 OK\r\nconnection: keep-alive\r\nTransfer-Encoding: chunked\r\nX-Connection: a\r\ntrailer: X\r\n"
    b"Connection2: b\r\nCONNECTION: Keep-Alive\r\n"
)


@pytest.mark.parametrize(
    ("minor_version", "keep_alive", "without_framing", "expected"),
    [
        (1, True, False, b"Transfer-Encoding: chunked|X-Connection: a|trailer: X|Connection2: b|Via: 1.1 lbmesh"),
        (
            1,
            False,
            False,
            b"Transfer-Encoding: chunked|X-Connection: a|trailer: X|Connection2: b|Via: 1.1 lbmesh|Connection: close",
        ),
        (0, True, True, b"X-Connection: a|Connection2: b|Via: 1.1 lbmesh|Connection: keep-alive"),
        (0, False, True, b"X-Connection: a|Connection2: b|Via: 1.1 lbmesh|Connection: close"),
    ],
)
def test_a_head_for_one_client(minor_version: int, keep_alive: bool, without_framing: bool, expected: bytes) -> None:
    head = rewrite_for_client(
        HEAD, via=via(1), minor_version=minor_version, keep_alive=keep_alive, without_framing=without_framing
    )
    assert head == b"HTTP/1.1 200 OK\r\n" + expected.replace(b"|", b"\r\n") + b"\r\n\r\n"
