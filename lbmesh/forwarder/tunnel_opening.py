"""How an exchange becomes a tunnel: after 101 (RFC 9110 §7.8) or a successful CONNECT (§9.3.6)."""

from lbmesh.forwarder.client_side import ClientSide
from lbmesh.forwarder.engine import Engine
from lbmesh.forwarder.service_state import ServiceState
from lbmesh.forwarder.tunnel import Opening, Tunnel
from lbmesh.forwarder.upstream import UpstreamConnection
from lbmesh.model.traffic import Timeouts


def open_tunnel(
    engine: Engine,
    client: ClientSide,
    upstream: UpstreamConnection,
    service: ServiceState,
    timeouts: Timeouts,
    opening: Opening,
    head_out: bytes,
    data: bytes,
) -> None:
    """Join the two connections of an exchange that is over, but for its replica, which the tunnel holds from now on.

    `head_out`: the response's head as the client gets it; `data`: what the replica sent behind it.
    """
    tunnel = Tunnel(
        engine,
        client=client,
        upstream=upstream,
        replica=upstream.replica,
        room=service.room,
        timeouts=timeouts,
        opening=opening,
    )
    early, client.buffer = client.buffer, b""
    client.become_tunnel(tunnel)
    upstream.begin_tunnel(tunnel)
    tunnel.start(head_out, data, early)
