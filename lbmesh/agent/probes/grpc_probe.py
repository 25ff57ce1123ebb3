"""The gRPC probe: one call of grpc.health.v1.Health/Check over HTTP/2, plain by prior knowledge or over TLS."""

from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    RemoteSettingsChanged,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)
from h2.exceptions import H2Error
from h2.settings import SettingCodes, Settings

from lbmesh import __version__
from lbmesh.agent.limits import PROBE_ANSWER_BYTES_MAX, PROBE_EXPECT_BYTES_MAX
from lbmesh.agent.probes.grpc_messages import METHOD_PATH, Serving, decode_response, encode_request
from lbmesh.agent.probes.h2_frames import lets_finish, may_begin, take_frame
from lbmesh.agent.probes.talk import CUT_SHORT, Talk
from lbmesh.agent.probes.words import quoted
from lbmesh.control.inputs import ProbeResult
from lbmesh.model.check import GrpcProbe

PROTOCOL = "h2"
"""Its name in ALPN."""

_NOT_HTTP2 = "not HTTP/2; is this the replica's gRPC port?"
_OK = "0"
_CODES = {
    "1": "CANCELLED",
    "2": "UNKNOWN",
    "3": "INVALID_ARGUMENT",
    "4": "DEADLINE_EXCEEDED",
    "5": "NOT_FOUND",
    "6": "ALREADY_EXISTS",
    "7": "PERMISSION_DENIED",
    "8": "RESOURCE_EXHAUSTED",
    "9": "FAILED_PRECONDITION",
    "10": "ABORTED",
    "11": "OUT_OF_RANGE",
    "12": "UNIMPLEMENTED",
    "13": "INTERNAL",
    "14": "UNAVAILABLE",
    "15": "DATA_LOSS",
    "16": "UNAUTHENTICATED",
}
"""gRPC's status codes, as a grpc-status field writes them."""
_STREAM = 1


@dataclass(slots=True)
class _Answer:
    """What has come so far. `greeted`: settings, so it is HTTP/2. `fields`: of head and trailers together.
    `broken`: why no more will come.
    """

    greeted: bool = False
    fields: dict[bytes, bytes] = field(default_factory=dict)
    data: bytearray = field(default_factory=bytearray)
    ended: bool = False
    broken: str | None = None


async def ask_grpc(talk: Talk, probe: GrpcProbe, authority: str, *, secure: bool, timeout_s: float) -> ProbeResult:
    """Success is SERVING."""
    if secure and talk.protocol != PROTOCOL:
        return ProbeResult(False, "TLS: the replica does not offer HTTP/2 (ALPN h2), which gRPC needs")
    machine = H2Connection(H2Configuration(client_side=True, header_encoding=None))
    machine.local_settings = Settings(
        client=True,
        initial_values={
            SettingCodes.ENABLE_PUSH: 0,
            SettingCodes.MAX_CONCURRENT_STREAMS: 1,
            SettingCodes.MAX_HEADER_LIST_SIZE: PROBE_EXPECT_BYTES_MAX,
        },
    )
    machine.initiate_connection()
    machine.send_headers(_STREAM, _head(authority, secure=secure, timeout_s=timeout_s))
    machine.send_data(_STREAM, encode_request(probe.service), end_stream=True)
    await talk.send(machine.data_to_send())
    answer, unread = _Answer(), bytearray()
    try:
        while True:
            data = await talk.receive()
            unread += data
            if not data:
                return ProbeResult(False, CUT_SHORT)
            if not answer.greeted and not may_begin(unread):
                return ProbeResult(False, _NOT_HTTP2)
            if talk.received >= PROBE_ANSWER_BYTES_MAX:
                return ProbeResult(False, "gRPC: the answer does not come to an end")
            _read(machine, answer, unread)
            # With the whole answer there is nobody left to listen, and a failure to say more would not be one.
            if answer.ended or answer.broken:
                break
            await talk.send(machine.data_to_send())
    except H2Error as wrong:
        said = quoted(str(wrong).encode(), marks="")
        return ProbeResult(False, f"gRPC: the replica broke HTTP/2: {said}" if answer.greeted else _NOT_HTTP2)
    return ProbeResult(False, answer.broken) if answer.broken else judge(probe, answer.fields, bytes(answer.data))


def _head(authority: str, *, secure: bool, timeout_s: float) -> list[tuple[str, str]]:
    """gRPC over HTTP/2, "Request-Headers"."""
    return [
        (":method", "POST"),
        (":scheme", "https" if secure else "http"),
        (":path", METHOD_PATH),
        (":authority", authority),
        ("te", "trailers"),
        ("grpc-timeout", f"{max(1, round(timeout_s * 1000))}m"),
        ("content-type", "application/grpc"),
        ("user-agent", f"lbmesh-probe/{__version__}"),
    ]


def _read(machine: H2Connection, answer: _Answer, unread: bytearray) -> None:
    """Take the frames that are whole, until the answer is."""
    while not answer.ended and not answer.broken and (frame := take_frame(unread)):
        for event in () if lets_finish(frame, _STREAM) else machine.receive_data(frame):
            _take(answer, event)


def _take(answer: _Answer, event: Event) -> None:
    match event:
        case RemoteSettingsChanged():
            answer.greeted = True
        case ResponseReceived(headers=headers) | TrailersReceived(headers=headers):
            answer.fields |= {bytes(name): bytes(value) for name, value in headers or ()}
        case DataReceived(data=data):
            answer.data += data or b""
        case StreamEnded():
            answer.ended = True
        case StreamReset(error_code=code) if not answer.ended:
            answer.broken = f"gRPC: the replica reset the call ({_h2_error(code)})"
        case ConnectionTerminated(error_code=code):
            answer.broken = f"gRPC: the replica closed the connection ({_h2_error(code)})"
        case _:
            pass


def _h2_error(code: ErrorCodes | int | None) -> str:
    return code.name if isinstance(code, ErrorCodes) else f"error {code}"


def judge(probe: GrpcProbe, fields: dict[bytes, bytes], data: bytes) -> ProbeResult:
    """What a whole answer means. A call that failed has its reason in the trailers, else there is a message."""
    status, kind = fields.get(b":status", b""), fields.get(b"content-type", b"")
    if b"grpc-status" not in fields and (status != b"200" or not kind.startswith(b"application/grpc")):
        said = f"gRPC: no gRPC server answers here, but HTTP status {quoted(status, marks='')}"
        return ProbeResult(False, said, answered=True)
    code = fields.get(b"grpc-status", b"2").decode("ascii", "replace")
    if code != _OK:
        said = _failed_call(probe, code, fields.get(b"grpc-message", b""))
        return ProbeResult(False, f"gRPC: {said}", answered=True)
    try:
        serving = decode_response(data)
    except ValueError as wrong:
        return ProbeResult(False, f"gRPC: {wrong}", answered=True)
    known = {each.value: each.name for each in Serving}
    is_serving = serving == Serving.SERVING
    return ProbeResult(is_serving, f"gRPC: {known.get(serving) or f'status {serving}'}", answered=not is_serving)


def _failed_call(probe: GrpcProbe, code: str, message: bytes) -> str:
    match _CODES.get(code, "a status that gRPC does not have"):
        case "NOT_FOUND":
            return f"NOT_FOUND, the replica knows no service {quoted(probe.service.encode())}"
        case "UNIMPLEMENTED":
            return "UNIMPLEMENTED, the replica has no health service"
        case name:
            said = quoted(unquote_to_bytes(message), marks="")
            return f"{name}: {said}" if said else name
