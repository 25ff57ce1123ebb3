"""When a client may stay though its answer came ahead of the end of its request."""

import pytest

from lbmesh.forward.early_response import rest_can_be_discarded
from lbmesh.http1.message import CHUNKED, NO_HEAD, Demands, RequestHead
from lbmesh.model.limits import DISCARD_BYTES_MAX

WAITING = NO_HEAD._replace(demands=Demands(expects_continue=True))
SWITCHING = NO_HEAD._replace(demands=Demands(protocols=(b"foo",)))


@pytest.mark.parametrize(
    ("head", "missing_bytes", "body_begun", "stays"),
    [
        (NO_HEAD, 1, True, True),
        (NO_HEAD, DISCARD_BYTES_MAX, False, True),
        (NO_HEAD, DISCARD_BYTES_MAX + 1, True, False),
        (NO_HEAD, CHUNKED, True, False),
        (WAITING, 5, False, False),
        (WAITING, 5, True, True),
        (SWITCHING, 5, False, True),
    ],
)
def test_who_stays(head: RequestHead, missing_bytes: int, body_begun: bool, stays: bool) -> None:
    assert rest_can_be_discarded(head, missing_bytes=missing_bytes, body_begun=body_begun) is stays
