"""What a rule may know of a request: its head, and how it came here."""

from typing import NamedTuple

from lbmesh.http1.message import RequestHead
from lbmesh.routing.table import host_name

DEFAULT_PORTS = {b"http": b"80", b"https": b"443"}


class Asked(NamedTuple):
    """`client`: its address without a port. `scheme`: b"http" or b"https", as the client used it."""

    head: RequestHead
    client: str
    scheme: bytes

    @property
    def host(self) -> bytes:
        """The name asked for, lower case, an IPv6 address in brackets; b"" from a client that sent none."""
        return host_name(self.head.host)

    @property
    def port(self) -> bytes:
        """The port asked for, the scheme's own when none is named."""
        _, colon, port = self.head.host.rpartition(b":")
        return port if colon and port.isdigit() else DEFAULT_PORTS[self.scheme]

    @property
    def path(self) -> bytes:
        """As it came, without the query; "/" for a target that is none: "*", and the authority of CONNECT."""
        path = self.head.target.partition(b"?")[0]
        return path if path.startswith(b"/") else b"/"

    @property
    def query(self) -> bytes:
        """With its "?"; b"" when there is none."""
        mark = self.head.target.find(b"?")
        return self.head.target[mark:] if mark >= 0 else b""

    @property
    def url(self) -> bytes:
        """The whole URL, the port left out where the scheme has it by default."""
        return absolute_url(self.scheme, self.host, self.port, self.path + self.query)


def absolute_url(scheme: bytes, host: bytes, port: bytes, target: bytes) -> bytes:
    """An absolute URL without a default port."""
    colon_port = b"" if port == DEFAULT_PORTS.get(scheme) else b":" + port
    return b"%b://%b%b%b" % (scheme, host, colon_port, target)
