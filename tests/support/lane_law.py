"""The laws that bind the two lanes and the chunk scanner, as checks of one input: for Hypothesis and for atheris.

Each check raises AssertionError where a law is broken, and otherwise names what the input was, so that a
property test can see that it tests something.
"""

from itertools import pairwise

import h11

from lbmesh.forwarder.framing import BodyReader
from lbmesh.http1 import fast_lane, h11_lane
from lbmesh.http1.chunked import ChunkScanner, Scan
from lbmesh.http1.fields import HOP_BY_HOP, is_claim
from lbmesh.http1.message import CHUNKED, RequestHead, ResponseHead

Fields = list[tuple[bytes, bytes]]


def whole_head(data: bytes) -> bytes:
    """What a connection hands to the h11 lane."""
    return data[: data.find(b"\r\n\r\n") + 4]


def fields_of(head: bytes) -> Fields:
    """Name and value of every line after the first; each line must be whole."""
    assert head.endswith(b"\r\n")
    lines = head[:-2].split(b"\r\n")[1:]
    assert not any(b"\r" in line or b"\n" in line for line in lines)
    return [(name, value.strip(b" \t")) for name, _, value in (line.partition(b":") for line in lines)]


def without(fields: Fields, name: bytes) -> Fields:
    return [field for field in fields if field[0].lower() != name]


def values(fields: Fields, name: bytes) -> list[bytes]:
    return [value for field_name, value in fields if field_name.lower() == name]


def forwarded(head: bytes) -> Fields:
    """The fields as forwarded, without the keep-alive that the fast lane leaves: it is the proxy's own statement."""
    fields = fields_of(head)
    assert {value.lower() for value in values(fields, b"connection")} <= {b"keep-alive"}
    return without(fields, b"connection")


def request_meaning(head: RequestHead) -> tuple[object, ...]:
    """Everything a request head means; the place of Host among the other fields is of no account."""
    fields = forwarded(head.head)
    assert values(fields, b"host") == [head.host]
    return (
        head.head.partition(b"\r\n")[0],
        without(fields, b"host"),
        head.method,
        head.target,
        head.host,
        head.minor_version,
        head.body_length,
        head.keep_alive,
        head.request_id,
        head.head_bytes,
    )


def goes_on_plainly(head: RequestHead) -> None:
    """Nothing that a replica could read otherwise leaves the node: what was accepted is accepted again, unchanged."""
    fields = fields_of(head.head)
    names = {name.lower() for name, _ in fields}
    options = {option.strip() for value in values(fields, b"connection") for option in value.lower().split(b",")}
    assert options <= {b"te", b"upgrade", b"keep-alive"}
    assert names & HOP_BY_HOP - {b"connection"} == options - {b"keep-alive"}
    assert not {name for name in names if is_claim(name.replace(b"_", b"-"))}
    if not head.host:
        assert head.minor_version == 0
        return
    again = h11_lane.parse_request(head.head + b"\r\n")
    assert isinstance(again, RequestHead)
    assert again.head == head.head
    assert (again.target, again.host, again.body_length, again.request_id) == (
        head.target,
        head.host,
        head.body_length,
        head.request_id,
    )


def goes_back_plainly(head: ResponseHead) -> None:
    assert not {name.lower() for name, _ in fields_of(head.head)} & HOP_BY_HOP
    again = h11_lane.parse_response(head.head + b"\r\n", method=b"GET")
    assert isinstance(again, ResponseHead)
    assert (again.head, again.status) == (head.head, head.status)


def check_request(data: bytes) -> tuple[str, ...]:
    """Whatever the fast lane accepts, the h11 lane accepts with the same meaning; what goes on is plain."""
    fast = fast_lane.parse_request(data)
    careful = h11_lane.parse_request(whole_head(data))
    if isinstance(careful, RequestHead):
        goes_on_plainly(careful)
    else:
        assert 400 <= careful.status <= 599
    if fast is None:
        return ("left to h11",) if isinstance(careful, RequestHead) else ("refused",)
    assert isinstance(careful, RequestHead), careful
    assert request_meaning(fast) == request_meaning(careful)
    rewritten = ("rewritten",) if len(fast.head) + 2 != fast.head_bytes else ()
    return (
        "fast",
        f"length {min(fast.body_length, 1)}",
        f"kept {fast.keep_alive}",
        f"id {fast.request_id is not None}",
        *rewritten,
    )


def check_response(data: bytes, method: bytes) -> tuple[str, ...]:
    """The same law for the answer to a request with this method."""
    fast = fast_lane.parse_response(data, to_head=method == b"HEAD")
    careful = h11_lane.parse_response(whole_head(data), method=method)
    if isinstance(careful, ResponseHead):
        goes_back_plainly(careful)
    else:
        assert (careful.status, careful.reason) == (502, "bad_response")
    if fast is None:
        return ("left to h11",) if isinstance(careful, ResponseHead) else ("refused",)
    assert isinstance(careful, ResponseHead), careful
    assert fast.head.partition(b"\r\n")[0] == careful.head.partition(b"\r\n")[0]
    assert forwarded(fast.head) == forwarded(careful.head)
    assert (fast.status, fast.body_length, fast.keep_alive, fast.head_bytes) == (
        careful.status,
        careful.body_length,
        careful.keep_alive,
        careful.head_bytes,
    )
    return "fast", f"length {min(fast.body_length, 1)}", f"kept {fast.keep_alive}"


def check_chunks(data: bytes, cuts: tuple[int, ...]) -> tuple[str, ...]:
    """However a body is cut, it ends at the same byte; h11 reads the same data in what goes on, and the same end."""
    whole = _scanned([data])
    bounds = (0, *sorted(cuts), len(data))
    assert _scanned([data[start:end] for start, end in pairwise(bounds)]) == whole
    if whole.fault or not whole.done:
        return ("faulty",) if whole.fault else ("unfinished",)
    payload = b"".join(data[start:end] for start, end in whole.payload)
    following = data[whole.consumed :]
    body = BodyReader(CHUNKED)
    assert _h11_reads(body.take(data) + following) == (payload, following)
    assert (body.done, body.rest) == (True, following)
    return ("whole",)


def _scanned(pieces: list[bytes]) -> Scan:
    """What becomes of the pieces together, with slices of the whole. Each fault counts as the same."""
    scanner = ChunkScanner()
    consumed, payload, extensions, rest = 0, list[tuple[int, int]](), list[tuple[int, int]](), b""
    for piece in pieces:
        data = rest + piece
        scan = scanner.scan(data)
        payload += [(consumed + start, consumed + end) for start, end in scan.payload]
        extensions += [(consumed + start, consumed + end) for start, end in scan.extensions]
        consumed += scan.consumed
        rest = data[scan.consumed :]
        if scan.done or scan.fault:
            break
    return Scan(consumed, scan.done, _joined(payload), tuple(extensions), "fault" if scan.fault else "")


def _joined(slices: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Slices that touch, as one."""
    joined: list[tuple[int, int]] = []
    for start, end in slices:
        if joined and joined[-1][1] == start:
            start = joined.pop()[0]
        joined.append((start, end))
    return tuple(joined)


def _h11_reads(body: bytes) -> tuple[bytes, bytes]:
    """The data of a chunked body and what follows it, as h11 sees them."""
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
    connection.receive_data(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + body)
    payload = b""
    while True:
        event = connection.next_event()
        if isinstance(event, h11.Data):
            payload += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            return payload, bytes(connection.trailing_data[0])
        else:
            assert isinstance(event, h11.Request), event
