"""gRPC probes of a real gRPC server, plain and over TLS, and of servers that speak HTTP/2 badly or not at all."""

import socket
import struct
from collections.abc import Iterator

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import RequestReceived, StreamEnded

from lbmesh.control.inputs import ProbeResult
from lbmesh.model.address import parse_address
from lbmesh.model.check import GrpcProbe, ProbeTls
from lbmesh.model.service import HealthCheck
from tests.support.balancers import balancer
from tests.support.certificates import Authority, server_context
from tests.support.grpc_server import GrpcServer, running_grpc
from tests.support.origins import Behaviour, OriginConnection, answering, refused_address
from tests.support.probing import ask, ask_origin, said

CHECK = HealthCheck(GrpcProbe())
CUT = "connection closed before a whole answer"
NOT_HTTP2 = "not HTTP/2; is this the replica's gRPC port?"
BROKEN = "gRPC: the replica broke HTTP/2: "


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def server(authority: Authority) -> Iterator[GrpcServer]:
    with running_grpc(authority.issue("shop.internal", "127.0.0.1")) as running:
        yield running


@pytest.mark.parametrize(
    ("service", "reason"),
    [
        ("", "SERVING"),
        ("shop", "SERVING"),
        ("busy", "NOT_SERVING"),
        ("odd", "UNKNOWN"),
        ("future", "SERVICE_UNKNOWN"),
        ("none", 'NOT_FOUND, the replica knows no service "none"'),
        ("x" * 200, f'NOT_FOUND, the replica knows no service "{"x" * 60}"…'),
    ],
)
def test_a_real_server_says_how_each_service_is(server: GrpcServer, service: str, reason: str) -> None:
    expected = ProbeResult(reason == "SERVING", f"gRPC: {reason}", answered=reason != "SERVING")
    assert ask(server.plain, HealthCheck(GrpcProbe(service))) == expected


def test_a_real_server_without_a_health_service(server: GrpcServer) -> None:
    reason = "gRPC: UNIMPLEMENTED, the replica has no health service"
    assert ask(server.without_health, CHECK) == ProbeResult(False, reason, answered=True)


def test_a_real_server_over_tls(server: GrpcServer, authority: Authority) -> None:
    tls = ProbeTls(ca=authority.file, ca_certificates=authority.text)
    assert ask(server.secure, HealthCheck(GrpcProbe(host="shop.internal"), tls=tls)).success
    assert ask(server.secure, HealthCheck(GrpcProbe(), tls=tls)) == ProbeResult(True, "gRPC: SERVING")
    other = ask(server.secure, HealthCheck(GrpcProbe(host="other.internal"), tls=tls))
    assert other.reason == "TLS: certificate is for shop.internal, 127.0.0.1, not other.internal"


def test_the_wrong_door_of_a_real_server(server: GrpcServer, authority: Authority) -> None:
    assert not ask(server.secure, CHECK).success
    tls = ProbeTls(ca_certificates=authority.text)
    assert ask(server.plain, HealthCheck(GrpcProbe(), tls=tls)).reason == "TLS: the replica does not speak TLS here"


def test_tls_without_http2_is_told(authority: Authority) -> None:
    with balancer(tls=server_context(authority.issue("127.0.0.1"), ["http/1.1"])) as running:
        tls = ProbeTls(ca_certificates=authority.text)
        result = ask(parse_address(running.address), HealthCheck(GrpcProbe(), tls=tls))
    assert result.reason == "TLS: the replica does not offer HTTP/2 (ALPN h2), which gRPC needs"


class Call:
    """The server's side of one call, to be answered as a test likes."""

    def __init__(self, connection: OriginConnection) -> None:
        self._connection = connection
        self.machine = H2Connection(H2Configuration(client_side=False, validate_outbound_headers=False))
        self.machine.initiate_connection()
        self.headers: dict[str, str] = {}
        while True:
            for event in self.machine.receive_data(connection.socket.recv(65536)):
                if isinstance(event, RequestReceived):
                    self.headers = {bytes(name).decode(): bytes(value).decode() for name, value in event.headers}
                if isinstance(event, StreamEnded):
                    return

    def flush(self) -> None:
        self._connection.send(self.machine.data_to_send())


OK_HEAD = [(":status", "200"), ("content-type", "application/grpc+proto")]
SERVING = b"\0\0\0\0\x02\x08\x01"


def call(
    head: list[tuple[str, str]] = OK_HEAD, data: bytes = SERVING, trailers: tuple[tuple[str, str], ...] = ()
) -> Behaviour:
    """Answer a call like this. Without trailers it ends with the data."""

    def behave(connection: OriginConnection) -> None:
        answer = Call(connection)
        answer.machine.send_headers(1, head, end_stream=not data and not trailers)
        if data:
            answer.machine.send_data(1, data, end_stream=not trailers)
        if trailers:
            answer.machine.send_headers(1, trailers, end_stream=True)
        answer.flush()
        connection.read_to_end()

    return behave


def test_what_a_call_sends() -> None:
    seen: list[dict[str, str]] = []

    def behave(connection: OriginConnection) -> None:
        seen.append(Call(connection).headers)

    ask_origin(behave, HealthCheck(GrpcProbe(host="shop.internal:81")), timeout_s=2.5)
    (headers,) = seen
    assert headers.pop("user-agent").startswith("lbmesh-probe/")
    assert headers == {
        ":method": "POST",
        ":scheme": "http",
        ":path": "/grpc.health.v1.Health/Check",
        ":authority": "shop.internal:81",
        "te": "trailers",
        "grpc-timeout": "2500m",
        "content-type": "application/grpc",
    }


def test_what_a_call_sends_over_tls(authority: Authority) -> None:
    context = server_context(authority.issue("127.0.0.1"), ["h2"])
    schemes: list[str] = []

    def behave(connection: OriginConnection) -> None:
        with context.wrap_socket(connection.socket, server_side=True) as secured:
            answer = Call(OriginConnection(secured))
            schemes.append(answer.headers[":scheme"])
            assert answer.machine.remote_settings.enable_push == 0

    tls = ProbeTls(ca_certificates=authority.text)
    assert ask_origin(behave, HealthCheck(GrpcProbe(), tls=tls)) == ProbeResult(False, CUT)
    assert schemes == ["https"]


STATUS_OK = (("grpc-status", "0"),)


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (call(trailers=STATUS_OK), None),
        (call(data=b"\0\0\0\0\x02\x08\x02", trailers=STATUS_OK), "NOT_SERVING"),
        (call(data=b"\0\0\0\0\0", trailers=STATUS_OK), "UNKNOWN"),
        (call(data=b"\0\0\0\0\x02\x08\x09", trailers=STATUS_OK), "status 9"),
        (call(data=b"\1\0\0\0\x02\x08\x01", trailers=STATUS_OK), "answer is compressed, which was not asked for"),
        (call(data=b"\0\0\0\0\x09\x08\x01", trailers=STATUS_OK), "message is not as long as it says"),
        (call(data=b"\0\0", trailers=STATUS_OK), "answer holds no message"),
        (call(data=b"", trailers=STATUS_OK), "answer holds no message"),
        (call(data=b"\0\0\0\0\x01\x08", trailers=STATUS_OK), "message is cut short"),
        (call(), "UNKNOWN"),
        (
            call(trailers=(("grpc-status", "14"), ("grpc-message", "come%20back%0Alater"))),
            "UNAVAILABLE: come back?later",
        ),
        (call(trailers=(("grpc-status", "9" * 5000),)), "a status that gRPC does not have"),
        (call([(":status", "404"), ("content-type", "text/html")], b"<html>"),
         "no gRPC server answers here, but HTTP status 404"),
        (call([(":status", "200"), ("content-type", "text/html")], b"<html>"),
         "no gRPC server answers here, but HTTP status 200"),
        (call([*OK_HEAD, ("grpc-status", "16")], b""), "UNAUTHENTICATED"),
    ],
)  # fmt: skip
def test_what_an_answer_means(behaviour: Behaviour, reason: str | None) -> None:
    expected = ProbeResult(reason is None, f"gRPC: {reason or 'SERVING'}", answered=reason is not None)
    assert ask_origin(behaviour, CHECK) == expected


def reset(connection: OriginConnection) -> None:
    answer = Call(connection)
    answer.machine.reset_stream(1, error_code=0x7)
    answer.flush()
    connection.read_to_end()


def go_away(code: int, last: int = 1) -> Behaviour:
    def behave(connection: OriginConnection) -> None:
        answer = Call(connection)
        answer.machine.close_connection(code, last_stream_id=last)
        answer.flush()
        connection.read_to_end()

    return behave


LAST_CALLS = (1, 2**31 - 1)
"""GOAWAY names the last call that is answered still, or first all there can be (RFC 9113, 6.8)."""


def go_away_in_the_midst(connection: OriginConnection) -> None:
    """As a server that shuts down lets its calls end: the frames all at once, and then one byte at a time."""
    answer = Call(connection)
    answer.flush()
    answer.machine.send_headers(1, OK_HEAD)
    answer.machine.send_data(1, SERVING)
    head = answer.machine.data_to_send()
    answer.machine.send_headers(1, STATUS_OK, end_stream=True)
    trailers = answer.machine.data_to_send()
    farewells = [frame(7, struct.pack("!II", last, 0) + b"bye") for last in LAST_CALLS]
    said = farewells[1] + head + farewells[0] + trailers
    connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for at in range(len(said)):
        connection.send(said[at : at + 1])
    connection.read_to_end()


def go_away_between(connection: OriginConnection) -> None:
    """All in one piece."""
    answer = Call(connection)
    answer.machine.send_headers(1, OK_HEAD)
    answer.machine.send_data(1, SERVING)
    head = answer.machine.data_to_send()
    answer.machine.send_headers(1, STATUS_OK, end_stream=True)
    connection.send(head + frame(7, struct.pack("!II", 1, 0)) + answer.machine.data_to_send())
    connection.read_to_end()


def go_away_and_leave(connection: OriginConnection) -> None:
    answer = Call(connection)
    answer.flush()
    connection.send(frame(7, struct.pack("!II", 1, 0)))


@pytest.mark.parametrize("behaviour", [go_away_in_the_midst, go_away_between])
def test_a_server_that_shuts_down_may_still_answer(behaviour: Behaviour) -> None:
    assert ask_origin(behaviour, CHECK) == ProbeResult(True, "gRPC: SERVING")


def leave_after_half(connection: OriginConnection) -> None:
    answer = Call(connection)
    answer.machine.send_headers(1, OK_HEAD)
    answer.flush()


def ping_for_ever(connection: OriginConnection) -> None:
    answer = Call(connection)
    answer.flush()
    while True:
        connection.send((b"\0\0\x08\x06\0" + b"\0" * 12) * 1000)


def continue_for_ever(connection: OriginConnection) -> None:
    answer = Call(connection)
    answer.flush()
    connection.send(b"\0\0\0\x01\0\0\0\0\x01")
    while True:
        connection.send(b"\0\0\0\x09\0\0\0\0\x01" * 1000)


def frame(kind: int, payload: bytes, flags: int = 0, stream: int = 0) -> bytes:
    return struct.pack("!I", len(payload))[1:] + bytes([kind, flags]) + struct.pack("!I", stream) + payload


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (reset, "gRPC: the replica reset the call (REFUSED_STREAM)"),
        (go_away(0xB), "gRPC: the replica closed the connection (ENHANCE_YOUR_CALM)"),
        (go_away(0, last=0), "gRPC: the replica closed the connection (NO_ERROR)"),
        (go_away_and_leave, CUT),
        (leave_after_half, CUT),
        (ping_for_ever, "gRPC: the answer does not come to an end"),
        (continue_for_ever, f"{BROKEN}Too many continuation frames received."),
        (answering(), NOT_HTTP2),
        (said(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"), NOT_HTTP2),
        (said(b""), CUT),
        (said(b"\0"), CUT),
        (said(b"\0" * 5000), NOT_HTTP2),
        (said(frame(4, b"\0" * 5)), NOT_HTTP2),
        (said(b"\xff\xff\xff\x04\0\0\0\0\0"), NOT_HTTP2),
        (said(frame(4, b"") + b"\x00\x40\x01\0\0\0\0\0\x01"), f"{BROKEN}a frame of 16385 bytes, more than 16384"),
    ],
)
def test_servers_that_do_it_wrong(behaviour: Behaviour, reason: str) -> None:
    assert ask_origin(behaviour, CHECK) == ProbeResult(False, reason)


@pytest.mark.parametrize(
    "frames",
    [
        frame(1, b"\xff" * 40, flags=5, stream=1),
        frame(0, b"x", stream=7),
        frame(5, b"\0\0\0\x02" + b"\x82", flags=4, stream=1),
        frame(7, b"\0\0\0\1"),
        frame(7, b"\0\0\0\1" + b"\0" * 4, stream=1),
    ],
)
def test_a_server_that_begins_well_is_taken_to_speak_http2(frames: bytes) -> None:
    result = ask_origin(said(frame(4, b"") + frames), CHECK)
    assert not result.success
    assert result.reason.startswith(BROKEN)
    assert result.reason != BROKEN


def test_servers_that_do_nothing() -> None:
    def settle(connection: OriginConnection) -> None:
        Call(connection).flush()
        connection.read_to_end()

    def nothing(connection: OriginConnection) -> None:
        connection.read_to_end()

    assert ask_origin(nothing, CHECK, timeout_s=0.2) == ProbeResult(False, "no answer within 0.2s")
    assert ask_origin(settle, CHECK, timeout_s=0.2) == ProbeResult(False, "no whole answer within 0.2s")
    assert ask(refused_address(), CHECK) == ProbeResult(False, "connection refused")
