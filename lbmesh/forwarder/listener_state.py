"""One listener as a forwarder knows it: what its policy was compiled to, for the connections it accepts."""

from dataclasses import replace

from lbmesh.forwarder.tls_contexts import ListenerContext
from lbmesh.model.listener import ListenerPolicy
from lbmesh.model.networks import NetworkSet


class ListenerState:
    """One listener under one policy. A connection keeps the state it was accepted with.

    `scheme`: what clients speak here, for X-Forwarded-Proto. `context`: None where that is plain HTTP. `proxies`: where
    connections come from, each with a PROXY header first; None where they begin at once.
    """

    __slots__ = ("context", "policy", "proxies", "scheme")

    def __init__(self, policy: ListenerPolicy, now: float) -> None:
        self.policy = policy
        self.context = ListenerContext(policy.tls, now) if policy.tls else None
        self.scheme = b"https" if policy.tls else b"http"
        self.proxies = NetworkSet(policy.proxy_protocol) if policy.proxy_protocol else None

    def take_over(self, policy: ListenerPolicy) -> bool:
        """Go on under this policy if certificates are all that it changes; False, and nothing is done, if not."""
        if self.context and self.policy.tls and policy.tls and _bare(policy) == _bare(self.policy):
            self.context.renew(policy.tls)
            self.policy = policy
        return self.policy == policy


def _bare(policy: ListenerPolicy) -> ListenerPolicy:
    return replace(policy, tls=replace(policy.tls, key_pairs=())) if policy.tls else policy


PLAIN = ListenerState(ListenerPolicy(), 0.0)
"""What a socket is that the View says nothing of."""
