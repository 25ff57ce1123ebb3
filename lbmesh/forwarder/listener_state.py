"""One listener as a forwarder knows it: what its policy was compiled to, for the connections it accepts."""

from lbmesh.model.listener import ListenerPolicy


class ListenerState:
    """One listener under one policy. A connection keeps the state it was accepted with.

    `scheme`: what clients speak here, for X-Forwarded-Proto.
    """

    __slots__ = ("policy", "scheme")

    def __init__(self, policy: ListenerPolicy) -> None:
        self.policy = policy
        self.scheme = b"http"


PLAIN = ListenerState(ListenerPolicy())
"""What a socket is that the View says nothing of."""
