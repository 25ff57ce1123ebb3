"""HTTP/2 frames (RFC 9113, 4.1), cut out of what a replica says. Pure.

h2 takes a GOAWAY for the end of the connection, although calls that it does not refuse may still be answered (6.8), and
forgets the events of all frames that came along with one that is wrong. So it gets them one at a time.
"""

from struct import Struct

from h2.errors import ErrorCodes
from h2.exceptions import FrameTooLargeError

_HEAD_BYTES = 9
_HEAD = Struct("!HBBBI")
"""Length in three bytes, type, flags, stream."""
_GOAWAY_BODY = Struct("!II")
"""The last stream that is still answered, and an error code."""
_SETTINGS = 4
_GOAWAY = 7
_TYPE_AT = 3
_RESERVED_BIT = 1 << 31

FRAME_BYTES_MAX = 16 * 1024
"""A frame's body, for who has not asked for longer ones (6.5.2)."""


def may_begin(said: bytearray) -> bool:
    """A server's first frame is SETTINGS (3.4). Else one would wait for as long a frame as "HTT" spells."""
    return len(said) <= _TYPE_AT or said[_TYPE_AT] == _SETTINGS


def take_frame(unread: bytearray) -> bytes | None:
    """The first frame, cut off; None while it is not whole. Raises FrameTooLargeError, as h2 does only at its end."""
    if len(unread) < _HEAD_BYTES:
        return None
    high, low, *_ = _HEAD.unpack_from(unread)
    length = high << 8 | low
    if length > FRAME_BYTES_MAX:
        raise FrameTooLargeError(f"a frame of {length} bytes, more than {FRAME_BYTES_MAX}")
    if len(unread) < _HEAD_BYTES + length:
        return None
    frame = bytes(unread[: _HEAD_BYTES + length])
    del unread[: _HEAD_BYTES + length]
    return frame


def lets_finish(frame: bytes, stream: int) -> bool:
    """True for a GOAWAY after which this stream is still answered."""
    *_, kind, _, on_stream = _HEAD.unpack_from(frame)
    if kind != _GOAWAY or on_stream or len(frame) < _HEAD_BYTES + _GOAWAY_BODY.size:
        return False
    last: int
    last, code = _GOAWAY_BODY.unpack_from(frame, _HEAD_BYTES)
    return bool(code == ErrorCodes.NO_ERROR) and last & ~_RESERVED_BIT >= stream
