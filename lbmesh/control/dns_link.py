"""What an agent and its nameserver say to each other: one JSON object a line over a local stream socket.

Agent to nameserver: pictures, each whole. Nameserver to agent: `DnsTelemetry`, whose counters began with its process.
"""

from msgspec import MsgspecError, Struct, json

from lbmesh.model.dns import DnsPicture
from lbmesh.model.view import ViewVersion


class DnsTelemetry(Struct, frozen=True):
    """`version`: of the picture that is answered from; None before the first. `rcodes`: (code, answers). The rest as
    `dns.responder.DnsFigures` has it; `unsent`: answers that the system did not take; `connections`: over TCP, now;
    `shed`: connections that were too many.
    """

    pid: int
    version: ViewVersion | None
    udp: int
    tcp: int
    ignored: int
    truncated: int
    slipped: int
    dropped: int
    unsent: int
    connections: int
    shed: int
    rcodes: tuple[tuple[str, int], ...]


_encode = json.Encoder().encode
_decode_picture = json.Decoder[DnsPicture](DnsPicture).decode
_decode_telemetry = json.Decoder[DnsTelemetry](DnsTelemetry).decode


def encode_line(message: DnsPicture | DnsTelemetry) -> bytes:
    """With its newline."""
    return _encode(message) + b"\n"


def decode_picture(line: bytes) -> DnsPicture:
    """Raises ValueError for anything else."""
    try:
        picture: DnsPicture = _decode_picture(line)
    except MsgspecError as error:
        raise ValueError(f"no picture of DNS: {error}") from error
    return picture


def decode_telemetry(line: bytes) -> DnsTelemetry:
    """Raises ValueError for anything else."""
    try:
        telemetry: DnsTelemetry = _decode_telemetry(line)
    except MsgspecError as error:
        raise ValueError(f"no figures of a nameserver: {error}") from error
    return telemetry
