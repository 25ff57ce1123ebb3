"""A client that writes bytes and reads whole responses, so that tests see what is really on the wire."""

import socket
from dataclasses import dataclass

import h11


@dataclass(frozen=True, slots=True)
class Response:
    """One response as h11 reads it. `informational`: the statuses of the 1xx responses in front of it."""

    status: int
    fields: dict[bytes, bytes]
    body: bytes
    informational: tuple[int, ...]


class RawClient:
    """One connection to a balancer. `exchange` sends bytes and reads the response to them."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self._unread = b""

    def exchange(self, request: bytes) -> Response:
        """Send and read one response."""
        self.socket.sendall(request)
        return self.response(b"HEAD" if request.startswith(b"HEAD ") else b"GET")

    def response(self, method: bytes = b"GET") -> Response:
        """Read one response to a request with this method. Raises h11.RemoteProtocolError when it is cut off."""
        reader = h11.Connection(h11.CLIENT)
        reader.send(h11.Request(method=method, target=b"/", headers=[(b"Host", b"h")]))
        reader.send(h11.EndOfMessage())
        if self._unread:
            reader.receive_data(self._unread)
            self._unread = b""
        informational: list[int] = []
        body: list[bytes] = []
        head: h11.Response | None = None
        while True:
            event = reader.next_event()
            if event is h11.NEED_DATA:
                reader.receive_data(self.socket.recv(65536))
            elif isinstance(event, h11.InformationalResponse):
                informational.append(event.status_code)
            elif isinstance(event, h11.Response):
                head = event
            elif isinstance(event, h11.Data):
                body.append(bytes(event.data))
            elif isinstance(event, h11.EndOfMessage):
                break
            else:
                raise AssertionError(event)
        self._unread = bytes(reader.trailing_data[0])
        assert head is not None
        return Response(head.status_code, dict(head.headers), b"".join(body), tuple(informational))

    def at_end(self) -> bool:
        """True when the server has closed the connection, after reading whatever is left."""
        try:
            while self.socket.recv(65536):
                continue
        except ConnectionResetError:
            return True
        return True

    def close(self) -> None:
        """Close the connection."""
        self.socket.close()
