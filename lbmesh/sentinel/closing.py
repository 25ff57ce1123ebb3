"""Letting go of the listeners without a reset for anybody who has connected, or is about to believe it.

When the last process closes a listener, Linux resets what waits in its queue, and what is in the middle of its
handshake. So first no handshake may begin any more, by a filter on the socket (socket(7), SO_ATTACH_FILTER); the
forwarders take for a while what has begun, and then close. A client that asks meanwhile hears nothing, and asks again a
second later, of a closed port. Some kernels let only CAP_NET_ADMIN set such a filter (6.18 was seen to): without it the
listeners are closed all the same, and who is in the middle of a handshake may be reset.
"""

import array
import os
import socket
import struct
from collections.abc import Iterable

_SO_ATTACH_FILTER = 26
"""<asm-generic/socket.h>; Python's socket module does not have it."""
_FLAGS_AT = 13
"""Of a TCP header (RFC 9293, 3.1), which is where the filter of a TCP socket begins."""
_SYN, _ACK = 0x02, 0x10
_WHOLE = 0xFFFF_FFFF

_LOAD_BYTE, _AND, _JUMP_IF_EQUAL, _RETURN = 0x30, 0x54, 0x15, 0x06
"""Classic BPF, as <linux/bpf_common.h> has it."""

_NO_SYN = b"".join(
    struct.pack("HBBI", *instruction)
    for instruction in (
        (_LOAD_BYTE, 0, 0, _FLAGS_AT),
        (_AND, 0, 0, _SYN | _ACK),
        (_JUMP_IF_EQUAL, 0, 1, _SYN),
        (_RETURN, 0, 0, 0),
        (_RETURN, 0, 0, _WHOLE),
    )
)


def begin_no_more(listener: socket.socket) -> None:
    """Whoever asks for a connection is not heard; what has begun goes on. For as long as the socket lives, in every
    process that has it. Raises OSError.
    """
    program = array.array("B", _NO_SYN)
    address, length = program.buffer_info()
    listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", length // 8, address))


def close_listeners(listeners: Iterable[socket.socket], own: Iterable[socket.socket]) -> str:
    """Let go of all listeners. `own`: those that nobody else has. The service manager's are never closed for good, and
    must go on for the next node. Why somebody may be reset by it; "" if nobody is.
    """
    problem = ""
    for listener in own:
        try:
            begin_no_more(listener)
        except OSError as error:
            problem = f"{os.strerror(error.errno or 0).lower()}: give the service CAP_NET_ADMIN"
    for listener in listeners:
        listener.close()
    return problem
