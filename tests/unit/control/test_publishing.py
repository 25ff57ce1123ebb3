"""Which addresses are published: homes, holders, hold-down, and what keeps them from going."""

from lbmesh.control.publishing import ADOPT_S, VELOCITY_S, DnsSight, NodeSight, Publisher
from lbmesh.model.address import Address
from lbmesh.model.dns import DnsPicture
from lbmesh.model.front import Driver, Front, NoDriver, VipDriver
from tests.support.dns_zone import POLICY

HOLD_DOWN_S = 30.0


def front(host: str, zone: str, node: str | None = None, driver: Driver = NoDriver()) -> Front:  # noqa: B008
    return Front(Address(host, 80), zone, node, driver=driver, hold_down_s=HOLD_DOWN_S)


A, B, C = front("192.0.2.1", "zone-a"), front("192.0.2.2", "zone-b"), front("192.0.2.3", "zone-c")
MOVABLE = front("192.0.2.9", "zone-a", driver=VipDriver("eth0", 24))


class World:
    """A publisher, and the nodes it sees. `dead` ones serve nobody."""

    def __init__(self, *fronts: Front) -> None:
        self.publisher = Publisher(generation=3)
        self.fronts = fronts
        self.dead: set[str] = set()
        self.holders: dict[str, set[str]] = {}
        self.is_isolated = False
        self.hears_peers = True
        self.pictures: list[DnsPicture] = []

    def look(self, now: float) -> set[str]:
        """What is published then."""
        names = ("a1", "a2", "b1", "c1")
        nodes = tuple(
            NodeSight(name, f"zone-{name[0]}", name not in self.dead, "is down" if name in self.dead else "serves")
            for name in names
        )
        sight = DnsSight(nodes, self.holders, self.is_isolated, self.hears_peers)
        if picture := self.publisher.look(now, POLICY, self.fronts, sight):
            self.pictures.append(picture)
        latest = self.publisher.latest
        assert latest is not None
        return {one.address for one in latest.addresses if one.is_published}

    def reason(self, address: str) -> str:
        return next(one.reason for one in self.pictures[-1].addresses if one.address == address)


def test_an_address_goes_when_all_of_its_home_zone_is_dead_and_says_why() -> None:
    world = World(A, B, C)
    world.dead = {"a1"}
    assert world.look(0) == {A.name, B.name, C.name}
    world.dead = {"a1", "a2"}
    assert world.look(1) == {B.name, C.name}
    assert world.reason(A.name) == "a1 is down; a2 is down"


def test_one_that_is_pinned_to_a_node_goes_with_that_node() -> None:
    world = World(front("192.0.2.1", "zone-a", "a1"), B)
    world.dead = {"a1"}
    assert world.look(0) == {B.name}


def test_it_comes_back_after_its_hold_down_and_not_before() -> None:
    world = World(A, B, C)
    world.look(0)
    world.dead = {"b1"}
    assert world.look(1) == {A.name, C.name}
    world.dead = set()
    assert world.look(2) == {A.name, C.name}
    assert "comes back" in world.reason(B.name)
    assert world.publisher.due_s > 2
    # One that flaps begins anew.
    world.dead = {"b1"}
    world.look(20)
    world.dead = set()
    world.look(21)
    assert world.look(21 + HOLD_DOWN_S - 0.1) == {A.name, C.name}
    assert world.look(21 + HOLD_DOWN_S) == {A.name, B.name, C.name}


def test_a_second_zone_stays_until_ten_minutes_have_passed() -> None:
    world = World(A, B, C)
    world.look(-1)
    world.dead = {"b1"}
    assert world.look(0) == {A.name, C.name}
    world.dead = {"b1", "c1"}
    assert world.look(100) == {A.name, C.name}
    assert world.reason(C.name).startswith("kept: zone-b has left within 10 minutes")
    assert world.look(VELOCITY_S) == {A.name}


def test_one_zone_is_one_however_many_addresses_it_has() -> None:
    world = World(A, front("192.0.2.2", "zone-b"), front("192.0.2.4", "zone-b"))
    world.dead = {"b1"}
    assert world.look(0) == {A.name}


def test_a_node_that_hears_nobody_withdraws_nothing() -> None:
    world = World(A, B, C)
    world.is_isolated = True
    world.dead = {"b1"}
    assert world.look(0) == {A.name, B.name, C.name}
    assert world.reason(B.name).startswith("kept: this node hears nobody")
    world.is_isolated = False
    assert world.look(1) == {A.name, C.name}


def test_a_zone_that_nobody_is_known_of_is_published_only_where_nobody_can_tell() -> None:
    world = World(A, front("192.0.2.7", "zone-x"))
    assert world.look(0) == {A.name}
    assert world.reason("192.0.2.7") == "nobody is known of zone-x"
    alone = World(A, front("192.0.2.7", "zone-x"))
    alone.hears_peers = False
    assert alone.look(0) == {A.name, "192.0.2.7"}


def test_what_was_dead_when_an_agent_came_is_no_loss_and_appears_at_once() -> None:
    """A node that starts beside two dead zones sends nobody there; a mesh that starts waits for no hold-down."""
    world = World(A, B, C)
    world.dead = {"b1", "c1"}
    assert world.look(0) == {A.name}
    world.dead = {"c1"}
    assert world.look(1) == {A.name, B.name}
    world.dead = set()
    assert world.look(2) == {A.name, B.name, C.name}


def test_a_front_that_moves_is_published_wherever_it_is_held() -> None:
    world = World(MOVABLE, B)
    world.holders = {MOVABLE.name: {"a1"}}
    assert world.look(0) == {MOVABLE.name, B.name}
    world.dead = {"a1", "a2"}
    world.holders = {}
    assert world.look(1) == {MOVABLE.name, B.name}, "a backup has time to adopt it"
    world.holders = {MOVABLE.name: {"b1"}}
    assert world.look(2) == {MOVABLE.name, B.name}
    world.holders = {}
    assert world.look(10) == {MOVABLE.name, B.name}
    assert world.look(10 + ADOPT_S) == {B.name}
    assert world.reason(MOVABLE.name) == "nobody holds it"


def test_pictures_are_numbered_and_made_only_when_something_changed() -> None:
    world = World(A, B)
    for now in range(5):
        world.look(now)
    world.dead = {"b1"}
    world.look(6)
    assert [(one.version.generation, one.version.number) for one in world.pictures] == [(3, 1), (3, 2)]
