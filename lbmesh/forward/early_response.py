"""A final response ahead of the end of its request: can the client's connection serve on?"""

from lbmesh.http1.message import RequestHead
from lbmesh.model.limits import DISCARD_BYTES_MAX


def rest_can_be_discarded(head: RequestHead, *, missing_bytes: int, body_begun: bool) -> bool:
    """May what is left of the request be read and thrown away, so that the next one can follow behind it?

    `missing_bytes`: negative when nobody knows, as of chunks: such a client is told to close, or it might send on for
    ever. So is one that still waits for 100: whether it sends its body after a final response differs from client to
    client, and what comes next could be a request taken for a body (RFC 9110 §10.1.1).
    """
    is_waiting = head.demands is not None and head.demands.expects_continue and not body_begun
    return not is_waiting and 0 <= missing_bytes <= DISCARD_BYTES_MAX
