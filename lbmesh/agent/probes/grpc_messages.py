"""The two messages of grpc.health.v1.Health/Check, with gRPC's five bytes in front. Pure.

Protocol buffers' wire format: a tag (field number << 3 | type), then a varint (type 0), 8 bytes (1), a length and so
many bytes (2) or 4 bytes (5). A request holds { string service = 1 }, a response { ServingStatus status = 1 }.
"""

from enum import IntEnum
from struct import Struct

METHOD_PATH = "/grpc.health.v1.Health/Check"

_PREFIX = Struct("!BI")
"""gRPC over HTTP/2, "Length-Prefixed-Message": compressed or not, and the message's length."""

_VARINT_BYTES_MAX = 10


class Serving(IntEnum):
    """HealthCheckResponse.ServingStatus."""

    UNKNOWN = 0
    SERVING = 1
    NOT_SERVING = 2
    SERVICE_UNKNOWN = 3


def encode_request(service: str) -> bytes:
    """Ask for a service's state; "" is the default value, which is not written."""
    name = service.encode()
    message = b"\x0a" + _varint(len(name)) + name if name else b""
    return _PREFIX.pack(0, len(message)) + message


def decode_response(data: bytes) -> int:
    """The status that a whole answer says. Raises ValueError for what is none."""
    if len(data) < _PREFIX.size:
        raise ValueError("answer holds no message")
    compressed, length = _PREFIX.unpack_from(data)
    if compressed:
        raise ValueError("answer is compressed, which was not asked for")
    if length != len(data) - _PREFIX.size:
        raise ValueError("message is not as long as it says")
    return _status(data[_PREFIX.size :])


def _status(message: bytes) -> int:
    """Field 1, the last one if there are several; other fields are skipped, as the format's rules want it."""
    status, at = 0, 0
    while at < len(message):
        tag, at = _read_varint(message, at)
        match tag & 7:
            case 0:
                value, at = _read_varint(message, at)
                status = value if tag >> 3 == 1 else status
            case 1:
                at += 8
            case 2:
                size, at = _read_varint(message, at)
                at += size
            case 5:
                at += 4
            case _:
                raise ValueError("message is not a protocol buffer")
    if at > len(message):
        raise ValueError("message is cut short")
    return status


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number >= 0x80:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*encoded, number])


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    number = 0
    for shift, byte in enumerate(data[at : at + _VARINT_BYTES_MAX]):
        number |= (byte & 0x7F) << (7 * shift)
        if byte < 0x80:
            return number, at + shift + 1
    raise ValueError("message is cut short")
