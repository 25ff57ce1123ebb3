"""What only the agent may do is taken from the other children: they speak with strangers, and need none of it."""

import ctypes
from collections.abc import Callable

_PR_CAPBSET_DROP, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_LOWER = 24, 47, 3
_NETWORK = (12, 13)
"""CAP_NET_ADMIN and CAP_NET_RAW (linux/capability.h), which addresses and their rules need."""


def without_network_capabilities() -> Callable[[], None]:
    """To be called in a child between fork and exec: what is executed does not have them (capabilities(7)).

    They are lowered in the ambient set, by which a service has them, and dropped from the bounding set, by which root
    has. The second needs CAP_SETPCAP, which a service does not have and does not need; only root in a container without
    it keeps what it has.
    """
    prctl = ctypes.CDLL(None).prctl

    def give_up() -> None:
        for capability in _NETWORK:
            prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_LOWER, capability, 0, 0)
            prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)

    return give_up
