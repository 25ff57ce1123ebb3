"""Reading /v1/state as a drill needs it, in the shape that the admin API gives it."""

import json
from typing import Any

from lbmesh.admin.api import state_chunks
from lbmesh.control.state import NodeState, Readiness, ReplicaState
from lbmesh.dev.picture import Picture, blind_picture, read_picture
from lbmesh.dev.world import SERVICE, World, make_world
from lbmesh.model.health import Availability
from lbmesh.model.member import Member, MemberState
from lbmesh.model.service import Replica, ReplicaId

WORLD = make_world(lambda _host, wanted, _transport: wanted)


def state(world: World, members: dict[str, MemberState], replicas: dict[str, Availability]) -> Any:
    """What lb-a1 answers when it knows these."""
    node = NodeState(
        now=10.0,
        node="lb-a1",
        zone="zone-a",
        generation=1,
        view=None,
        readiness=Readiness(True, "fine"),
        members=tuple(
            Member(one.name, one.zone, one.gossip, 1, members[one.name], 1.0, "")
            for one in world.balancers
            if one.name in members
        ),
        forwarders=(),
        reload=None,
        gossip={},
        local_shares=(),
    )
    apps = [
        ReplicaState(ReplicaId(SERVICE, one.address), Replica(one.address, one.zone), replicas[one.name], "", 1.0, ())
        for one in world.replicas
        if one.name in replicas
    ]
    return json.loads(b"".join(state_chunks(node, apps)))


def everyone() -> tuple[dict[str, MemberState], dict[str, Availability]]:
    return (
        {one.name: MemberState.ALIVE for one in WORLD.balancers},
        {one.name: Availability.UP for one in WORLD.replicas},
    )


def test_whole_when_all_are_alive_and_up() -> None:
    members, replicas = everyone()
    picture = read_picture(state(WORLD, members, replicas), WORLD, "lb-a1")

    assert picture == Picture(frozenset(), frozenset())
    assert picture.whole


def test_down_and_in_doubt() -> None:
    members, replicas = everyone()
    members |= {"lb-b1": MemberState.DOWN, "lb-c1": MemberState.IMPAIRED}
    replicas |= {"app-b1": Availability.DOWN, "app-c1": Availability.UNKNOWN}
    picture = read_picture(state(WORLD, members, replicas), WORLD, "lb-a1")

    assert picture.down == {"lb-b1", "app-b1"}
    assert picture.amiss == {"lb-b1", "app-b1", "lb-c1", "app-c1"}


def test_who_is_not_mentioned_is_amiss_but_not_oneself() -> None:
    picture = read_picture(state(WORLD, {}, {}), WORLD, "lb-a1")

    assert picture.down == set()
    assert picture.amiss == {one.name for one in WORLD.subjects} - {"lb-a1"}


def test_blind_is_never_whole() -> None:
    assert not blind_picture(WORLD).whole
