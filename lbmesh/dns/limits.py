"""Every bound of DNS, in one place. Sizes in bytes, times in seconds."""

UDP_BYTES_MAX = 1232
"""Of an answer over UDP: what passes everywhere without fragments (DNS flag day 2020)."""

UDP_BYTES_PLAIN_MAX = 512
"""The same for who does not speak EDNS (RFC 1035, 4.2.1)."""

TCP_BYTES_MAX = 65_535

QUERY_BYTES_MAX = 4096
"""A longer query is none: a question has 271 bytes at most, and options a few dozen."""

AMPLIFICATION_MAX = 10
"""An answer over UDP has at most so many times the bytes of its query, who may not have sent it; else it says to come
over TCP.
"""

ADDRESSES_PER_ANSWER_MAX = 8
"""Eight IPv6 addresses still fit that bound. A client tries two or three."""

ADDITIONAL_MAX = 8
"""Records behind the question of a query; OPT and a signature are two."""

TURNS = 12
"""Orders of the addresses of one name, which are made once each and kept: of 2, 3, 4 or 6 each comes first as often."""

CLIENTS_KEPT_MAX = 16_384
"""Clients whose zone and rate are remembered by address, as finding them takes a few µs."""

RATE_NETWORKS_MAX = 65_536
"""Networks whose rate is counted, twice over: those of late, and those before them."""

RATE_BURST_S = 1.0
"""Of an allowance that may be used up at once."""

RATE_PREFIX_IPV4 = 24
RATE_PREFIX_IPV6 = 56
"""What one client is (BIND's defaults): it commands all the addresses of such a network."""

RATE_SLIP = 2
"""Of the answers beyond the rate every second is one that says "come over TCP", so that a client in a network that
somebody else pretends to be in is not shut out (BIND's default).
"""

TURN_S = 0.001
"""How long one address comes first."""
