"""Asking over HTTP whether a front is served: any answer counts, an error's too, and so does an alert of TLS."""

import trio

from lbmesh.model.address import Address

_TLS_ALERT = b"\x15\x03"
"""How one begins (RFC 8446, 5.1)."""


async def answers_http(front: Address, within_s: float) -> bool:
    """Does anybody answer there in time? A node that is frozen shakes hands, and says nothing then."""
    family = trio.socket.AF_INET6 if ":" in front.host else trio.socket.AF_INET
    try:
        with trio.fail_after(within_s), trio.socket.socket(family, trio.socket.SOCK_STREAM) as asking:
            await asking.connect((front.host, front.port))
            await asking.send(f"HEAD / HTTP/1.1\r\nHost: {front}\r\nConnection: close\r\n\r\n".encode())
            return (await asking.recv(16)).startswith((b"HTTP/1.", _TLS_ALERT))
    except (OSError, trio.TooSlowError):
        return False
