"""What bounds the client where a caller's list, a resolver's answer or a flood of requests could grow without one."""

ADDRESSES_MAX = 64
"""Addresses in one transport: a race over more would outlast any caller's patience."""

IDLE_MAX = 100
"""Connections kept when httpx's limits say None, which elsewhere means no bound."""

PACE_SAMPLES = 512
"""Times to the answer that the hedge delay is measured from."""

PACES_MAX = 256
"""Services of one process whose times are kept, at most some 5 MB."""

GUESSES_MAX = 3
"""Hedges of one service that may be under way by a delay that nothing was measured for."""

STATE_BYTES_MAX = 64 * 1024 * 1024
"""Of a node's answer on its admin API, as for `lbmesh status`."""
