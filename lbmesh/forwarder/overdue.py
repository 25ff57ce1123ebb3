"""Whose failure it is that an exchange takes too long, which depends on the phase that it is in."""

from typing import NamedTuple

from lbmesh.forward.failure import CLIENT_IDLE, CONNECT_TIMEOUT, RESPONSE_TIMEOUT, UPSTREAM_IDLE, Failure

REQUEST_TIMEOUT_SLACK_S = 0.001
"""A deadline met so much too early is met."""


class Phase(NamedTuple):
    """`connecting`: to the replica. `responding`: the response's head is here. `client_behind`: the client has not
    taken all that came of it. `replica_behind`: the replica has not taken all that came of the request.
    `request_read`: all of it came.
    """

    connecting: bool
    responding: bool
    client_behind: bool
    replica_behind: bool
    request_read: bool


def overdue(phase: Phase) -> tuple[Failure, str]:
    """The failure, and what to say of it."""
    if phase.connecting:
        return CONNECT_TIMEOUT, "the replica did not accept the connection in time"
    if phase.responding:
        if phase.client_behind:
            return CLIENT_IDLE, "the client did not take the response"
        return UPSTREAM_IDLE, "the replica stopped within its response"
    if phase.replica_behind:
        return UPSTREAM_IDLE, "the replica did not take the request"
    if phase.request_read:
        return RESPONSE_TIMEOUT, "the replica did not answer in time"
    return CLIENT_IDLE, "the client stopped within its request"
