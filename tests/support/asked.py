"""Requests as rules see them."""

from lbmesh.http1.h11_lane import parse_request
from lbmesh.http1.message import RequestHead
from lbmesh.routing.asked import Asked


def a_head(target: str = "/", host: str = "a.example", fields: str = "", method: str = "GET") -> RequestHead:
    head = parse_request(f"{method} {target} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n".encode())
    assert isinstance(head, RequestHead), head
    return head


def asked(
    target: str = "/",
    host: str = "a.example",
    fields: str = "",
    *,
    client: str = "192.0.2.7",
    scheme: bytes = b"http",
    method: str = "GET",
) -> Asked:
    return Asked(a_head(target, host, fields, method), client, scheme)
