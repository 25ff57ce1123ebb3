"""What EC2 says becomes words for an operator, whatever is in it."""

import pytest

from lbmesh.drivers.ec2.errors import WORDS_MAX, Fault, refusal


@pytest.mark.parametrize(
    ("code", "status", "fault"),
    [
        ("RequestLimitExceeded", 503, Fault.THROTTLED),
        ("Resource.AlreadyAssociated", 400, Fault.CHANGED),
        ("InternalError", 500, Fault.ILL),
        ("Unavailable", 503, Fault.ILL),
        ("", 502, Fault.ILL),
        ("UnauthorizedOperation", 403, Fault.OTHER),
        ("InvalidParameterCombination", 400, Fault.OTHER),
    ],
)
def test_each_refusal_is_of_a_kind(code: str, status: int, fault: Fault) -> None:
    assert refusal("CreateTags", code, "said so", status).fault is fault


def test_its_own_words_are_bounded_and_printable() -> None:
    words = str(refusal("CreateTags", "Odd", "\x1b[2J\n" + 1000 * "x", 400))
    assert words == "CreateTags failed: ?[2J?" + (WORDS_MAX - 5) * "x" + " (Odd)"
