"""Retry-After: seconds and nothing else."""

import pytest

from lbmesh.http1.retry_after import retry_after_s


@pytest.mark.parametrize(
    ("line", "seconds"),
    [
        (b"Retry-After: 3", 3.0),
        (b"retry-after:120 ", 120.0),
        (b"Retry-After: Fri, 31 Dec 1999 23:59:59 GMT", 0.0),
        (b"Retry-After: -1", 0.0),
        (b"Retry-After: 99999999999", 0.0),
        (b"X-Retry-After: 3", 0.0),
    ],
)
def test_retry_after(line: bytes, seconds: float) -> None:
    assert retry_after_s(b"HTTP/1.1 503 Busy\r\n%b\r\nA: b\r\n" % line) == seconds
