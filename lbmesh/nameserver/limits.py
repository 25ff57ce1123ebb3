"""Every bound of the nameserver's shell, in one place. Times in seconds, sizes in bytes."""

UNTOLD_S = 5.0
"""A nameserver that no agent has told anything says SERVFAIL for this long, so that resolvers ask another one; then it
publishes all addresses: when nobody can say which of them live, clients find out.
"""

TICK_S = 0.2
"""How often the tick slot is stamped."""

FIGURES_S = 1.0
"""How often the agent is told what was counted."""

DATAGRAMS_PER_BATCH = 64
"""Answered in one go, some 15 µs each; then TCP, the link and the tick have their turn."""

DATAGRAM_BYTES_MAX = 4097
"""One more than a query may have, so that a longer one shows."""

CONNECTIONS_MAX = 256
"""Over TCP. Beyond that the one that has said nothing for longest is closed (RFC 7766, 6.2.3)."""

CONNECTIONS_PER_HOST_MAX = 16
QUERIES_PER_CONNECTION_MAX = 1000
"""Then the client is to connect again, so that clients spread over the nodes anew."""

IDLE_S = 10.0
"""Without a query (RFC 7766, 6.2.3: a few seconds)."""

MESSAGE_S = 3.0
"""For a message to come whole once it has begun, and for an answer to be taken."""
