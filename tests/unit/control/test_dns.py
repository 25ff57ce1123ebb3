"""How members, their words on fronts and the heartbeat's word become what DNS publishes."""

import pytest

from lbmesh.control.dns import DnsPart
from lbmesh.control.front_book import PeerFronts
from lbmesh.control.inputs import Event, EventKind
from lbmesh.failover.claims import Claim, FrontState
from lbmesh.model.address import Address
from lbmesh.model.member import Member, MemberState
from tests.support.config_text import BASE, settings_of

HOME_A, HOME_B, MOVABLE = "203.0.113.10", "203.0.113.20", "203.0.113.30"
SETTINGS = settings_of(f"""{BASE}
[[front]]
address = "{HOME_A}"
zone = "zone-a"
driver = "none"
[[front]]
address = "{HOME_B}"
zone = "zone-b"
driver = "none"
[[front]]
address = "{MOVABLE}"
zone = "zone-b"
driver = "vip"
options = {{ interface = "eth0" }}
[dns]
zone = "mesh.example.com"
name_servers = {{ "ns.example.net" = [] }}
""")
HELD = Claim(FrontState.HELD, 1, "")


def member(name: str, state: MemberState = MemberState.ALIVE) -> Member:
    return Member(name, f"zone-{name[3]}", Address("10.0.0.1", 1), 1, state, 0.0, "")


class Node:
    """lb-a1's part, in a mesh with lb-b1."""

    def __init__(self) -> None:
        self.part = DnsPart("lb-a1", "zone-a", 1)
        self.events: list[Event] = []

    def look(
        self,
        now: float = 0.0,
        *,
        peer: MemberState = MemberState.ALIVE,
        says: PeerFronts | None = None,
        lost: tuple[str, ...] = (),
        trouble: str = "",
        is_isolated: bool = False,
    ) -> set[str]:
        """What is published then. `says`: lb-b1, of fronts."""
        says = PeerFronts(True, {MOVABLE: HELD}) if says is None else says
        self.part.fare(trouble)
        _, events = self.part.look(
            now, SETTINGS, [member("lb-a1"), member("lb-b1", peer)], {"lb-b1": says}, lost, (), is_isolated=is_isolated
        )
        self.events += events
        picture = self.part.picture
        assert picture is not None
        return {one.address for one in picture.addresses if one.is_published}


def test_all_is_published_while_all_is_well() -> None:
    node = Node()
    assert node.look() == {HOME_A, HOME_B, MOVABLE}
    assert node.events == []


@pytest.mark.parametrize("state", [MemberState.DOWN, MemberState.LEFT])
def test_a_home_that_is_not_there_takes_its_address_along(state: MemberState) -> None:
    node = Node()
    node.look()
    # The front that moves may be adopted: it has a few seconds.
    assert node.look(1.0, peer=state) == {HOME_A, MOVABLE}
    (event,) = node.events
    assert (event.kind, event.subject, event.change, event.is_trouble) == (EventKind.DNS, HOME_B, "withdrawn", True)
    assert node.look(9.0, peer=state) == {HOME_A}


def test_the_word_gone_is_enough() -> None:
    node = Node()
    assert node.look(lost=("lb-b1",)) == {HOME_A, MOVABLE}


def test_one_that_some_cannot_reach_stays() -> None:
    assert Node().look(peer=MemberState.IMPAIRED) == {HOME_A, HOME_B, MOVABLE}


def test_a_peer_that_serves_nobody_is_no_home() -> None:
    assert HOME_B not in Node().look(says=PeerFronts(False, {MOVABLE: HELD}))


@pytest.mark.parametrize("trouble", ["leaves", "hangs"])
def test_this_node_is_no_home_while_it_serves_nobody(trouble: str) -> None:
    node = Node()
    node.look()
    node.part.fare(trouble)
    assert node.part.is_due(1.0)
    assert node.look(1.0, trouble=trouble) == {HOME_B, MOVABLE}


def test_a_claim_that_does_not_answer_holds_nothing() -> None:
    node = Node()
    says = PeerFronts(True, {MOVABLE: Claim(FrontState.CLAIMING, 1, "")})
    node.look(says=says)
    assert MOVABLE not in node.look(10.0, says=says)


def test_nothing_is_due_while_nothing_changes_and_nothing_waits() -> None:
    node = Node()
    node.look()
    assert not node.part.is_due(1e9)
    node.look(1.0, peer=MemberState.DOWN)
    node.look(2.0)
    assert node.part.is_due(3.0), "an address waits for its hold-down"


def test_cut_off_it_withdraws_nothing() -> None:
    assert Node().look(peer=MemberState.DOWN, is_isolated=True) == {HOME_A, HOME_B, MOVABLE}
