"""What a listener does with the connections that come to it."""

from dataclasses import dataclass

from lbmesh.model.tls import ListenerTls


@dataclass(frozen=True, slots=True)
class ListenerPolicy:
    """The settings of one [[listener]] that a reload may change: all but its address. The default serves plain HTTP.

    `proxy_protocol`: networks from which connections come, each with a PROXY header first, and no others are served.
    Empty: connections begin at once. `tls` None: clients speak plain HTTP.
    """

    proxy_protocol: tuple[str, ...] = ()
    tls: ListenerTls | None = None
