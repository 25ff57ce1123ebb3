"""What goes over the link between agent and nameserver survives it, and what else comes is refused."""

import pytest

from lbmesh.control.dns_link import DnsTelemetry, decode_picture, decode_telemetry, encode_line
from lbmesh.model.view import ViewVersion
from tests.support.dns_zone import A, picture

TELEMETRY = DnsTelemetry(7, ViewVersion(1, 2), 1, 2, 3, 4, 5, 6, 7, 8, 9, (("NOERROR", 3), ("REFUSED", 1)))


def test_a_picture_survives() -> None:
    assert decode_picture(encode_line(picture(withdrawn=[A]))) == picture(withdrawn=[A])


def test_figures_survive() -> None:
    assert decode_telemetry(encode_line(TELEMETRY)) == TELEMETRY


@pytest.mark.parametrize("line", [b"", b"{}", b"null", b"\xff", b'{"version":1}', encode_line(TELEMETRY)])
def test_what_is_no_picture_is_a_value_error(line: bytes) -> None:
    with pytest.raises(ValueError):
        decode_picture(line)
