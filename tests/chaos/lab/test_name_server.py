"""What the lab's resolvers answer."""

import dns.message
import dns.rcode
import pytest

from lbmesh_chaos.lab.name_server import answer

NAMES = {"shop.lab": ["10.1.1.1", "10.2.1.1", "10.3.1.1"], "app-a1.lab": ["10.1.2.1"], "empty.lab": []}


def asked(name: str, kind: str = "A", turn: int = 0) -> dns.message.Message:
    query = dns.message.make_query(name, kind)
    # Over the wire and back, as a client has it.
    response = dns.message.from_wire(answer(query, NAMES, turn).to_wire())
    assert query.is_response(response)
    return response


def addresses(response: dns.message.Message) -> list[str]:
    return [record.to_text() for rrset in response.answer for record in rrset]


def test_every_address_is_the_first_one_in_turn() -> None:
    assert [addresses(asked("SHOP.lab.", turn=turn))[0] for turn in range(4)] == [
        "10.1.1.1",
        "10.2.1.1",
        "10.3.1.1",
        "10.1.1.1",
    ]
    assert sorted(addresses(asked("shop.lab."))) == NAMES["shop.lab"]


@pytest.mark.parametrize(
    ("name", "kind", "code"),
    [
        ("shop.lab.", "AAAA", dns.rcode.NOERROR),
        ("empty.lab.", "A", dns.rcode.NOERROR),
        ("lab.", "A", dns.rcode.NXDOMAIN),
        ("nobody.lab.", "A", dns.rcode.NXDOMAIN),
        ("example.com.", "A", dns.rcode.REFUSED),
        (".", "A", dns.rcode.REFUSED),
    ],
)
def test_what_has_no_address_is_told_apart(name: str, kind: str, code: dns.rcode.Rcode) -> None:
    response = asked(name, kind)
    assert response.rcode() == code
    assert addresses(response) == []
