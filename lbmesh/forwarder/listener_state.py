"""One listener as a forwarder knows it: what its policy was compiled to, for the connections it accepts."""

from lbmesh.model.listener import ListenerPolicy
from lbmesh.model.networks import NetworkSet


class ListenerState:
    """One listener under one policy. A connection keeps the state it was accepted with.

    `scheme`: what clients speak here, for X-Forwarded-Proto. `proxies`: where connections come from, each with a PROXY
    header first; None where they begin at once.
    """

    __slots__ = ("policy", "proxies", "scheme")

    def __init__(self, policy: ListenerPolicy) -> None:
        self.policy = policy
        self.scheme = b"http"
        self.proxies = NetworkSet(policy.proxy_protocol) if policy.proxy_protocol else None


PLAIN = ListenerState(ListenerPolicy())
"""What a socket is that the View says nothing of."""
