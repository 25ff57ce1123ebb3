"""Letting go of a listener as lbmesh's own nodes do (docs/adr/0029): nobody who has connected is reset.

A listener that is closed resets what waits in its queue and what is in the middle of its handshake. So first no
handshake may begin any more, by a filter on the socket (socket(7), SO_ATTACH_FILTER); whoever asks meanwhile hears
nothing, and asks again a second later, of a closed port.
"""

import ctypes
import socket
import struct

_SO_ATTACH_FILTER = 26
_NO_SYN = (
    struct.pack("HBBI", 0x30, 0, 0, 13)  # load the byte of the flags (RFC 9293, 3.1)
    + struct.pack("HBBI", 0x54, 0, 0, 0x12)  # of these, SYN and ACK
    + struct.pack("HBBI", 0x15, 0, 1, 0x02)  # SYN alone?
    + struct.pack("HBBI", 0x06, 0, 0, 0)  # drop
    + struct.pack("HBBI", 0x06, 0, 0, 0xFFFF_FFFF)  # else take
)
"""Classic BPF (<linux/bpf_common.h>)."""


def begin_no_more(listening: socket.socket) -> None:
    """No handshake begins any more; those that have begun come to their end. Raises OSError."""
    code = ctypes.create_string_buffer(_NO_SYN, len(_NO_SYN))
    listening.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", 5, ctypes.addressof(code)))
