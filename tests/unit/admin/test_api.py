"""The admin API's answers as values, and the shape of the state."""

import json
import random
from collections.abc import Iterator
from typing import Any

import pytest

from lbmesh.admin.api import AdminRequest, AdminSource, answer
from lbmesh.admin.client import Asked
from lbmesh.admin.status import status_lines
from lbmesh.admin.text import ago
from lbmesh.control.inputs import ProbeResult
from lbmesh.control.plane import Plane
from lbmesh.gossip.core import Gossip
from lbmesh.gossip.identity import Identity, KeyRing
from lbmesh.model.address import Address
from lbmesh.model.view import ViewVersion
from tests.support.planes import World, replica_id, settings, shop

COMMAND = Asked(Address("10.1.0.1", 9900), options=("--admin", "10.1.0.1:9900")).command
TOKEN = "0123456789abcdef"


def a_plane() -> Plane:
    """Two services, of which one is checked: one replica up, one down, one unknown."""
    plane = Plane(settings(shop(3), shop(1, None, "plain")), generation=1, gossip=None, rng=random.Random(1), now=0.0)
    plane.start(0.0)
    plane.tick(1.0)
    plane.probe_finished(replica_id(1), ProbeResult(True, "status 200"), 1.0)
    plane.probe_finished(replica_id(2), ProbeResult(False, "connection refused"), 1.5)
    plane.forwarder_linked(0, 77, 2.0)
    return plane


def source(plane: Plane, token: str | None = None, now: float = 3.0) -> AdminSource:
    def metrics() -> Iterator[bytes]:
        yield b"some 1\n"

    return AdminSource(
        state=lambda: plane.picture.state(now),
        replicas=plane.picture.replica_states,
        metrics=metrics,
        metrics_type="text/x",
        replica_ids=plane.picture.replica_ids,
        explain_replica=lambda replica: plane.picture.explain_replica(now, replica),
        explain_member=lambda name: plane.picture.explain_member(now, name),
        token=token,
    )


def state_of(plane: Plane, now: float = 3.0) -> dict[str, Any]:
    page = answer(AdminRequest("GET", "/v1/state"), source(plane, now=now)).body
    found: dict[str, Any] = json.loads(b"".join(page))
    return found


def test_the_state_says_who_believes_what_and_since_when() -> None:
    state = state_of(a_plane())
    assert state["node"] == {
        "name": "lb-a", "zone": "zone-a", "version": "0.1.0", "generation": 1, "view": "1.3", "ready": False,
        "reason": "no forwarder serves a View yet",
    }  # fmt: skip
    checked, plain = state["services"]
    assert [one["availability"] for one in checked["replicas"]] == ["up", "down", "unknown"]
    down = checked["replicas"][1]
    assert (down["for_s"], down["reason"]) == (1.5, "connection refused")
    assert down["opinions"] == [
        {"observer": "lb-a", "zone": "zone-a", "up": False, "age_s": 1.5, "reason": "connection refused"}
    ]
    assert plain["replicas"][0]["for_s"] is None
    assert state["forwarders"][0]["pid"] == 77
    assert state["reload"] is None


def test_readiness_follows_the_plane() -> None:
    plane = a_plane()
    assert answer(AdminRequest("GET", "/readyz"), source(plane)).status == 503
    plane.forwarder_viewed(0, ViewVersion(1, 3), 2.0)
    assert answer(AdminRequest("GET", "/readyz"), source(plane)).status == 200


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        ("", 401),
        ("Bearer", 401),
        (f"Basic {TOKEN}", 401),
        (f"Bearer {TOKEN}x", 401),
        ("Bearer \xff\xfe", 401),
        (f"Bearer {TOKEN}", 200),
        (f"BEARER  {TOKEN} ", 200),
    ],
)
def test_the_token(authorization: str, status: int) -> None:
    guarded = source(a_plane(), TOKEN)
    for path in ("/v1/state", "/metrics"):
        assert answer(AdminRequest("GET", path, authorization), guarded).status == status
    assert answer(AdminRequest("GET", "/livez", authorization), guarded).status == 200


def test_what_is_not_there_and_what_is_not_allowed() -> None:
    missing = answer(AdminRequest("GET", "/v1/other"), source(a_plane()))
    assert (missing.status, b"/v1/state" in b"".join(missing.body)) == (404, True)
    refused = answer(AdminRequest("PUT", "/v1/state"), source(a_plane()))
    assert (refused.status, dict(refused.extra_fields)["Allow"]) == (405, "GET, HEAD")


def test_a_node_alone_says_that_it_has_no_members() -> None:
    page = answer(AdminRequest("GET", "/v1/explain/member/n1"), source(a_plane()))
    found = json.loads(b"".join(page.body))
    assert (page.status, found) == (
        404, {"error": "lb-a is a node alone: it has no [gossip], and so no members", "meant": []},
    )  # fmt: skip


def test_the_table_shows_what_the_state_says() -> None:
    plane = a_plane()
    plane.reload_refused(("lbmesh.toml:3: bad",), 2.5)
    lines = list(status_lines(state_of(plane), COMMAND))
    assert lines[0] == "lb-a in zone-a, lbmesh 0.1.0, View 1.3, not ready: no forwarder serves a View yet"
    (row,) = [line for line in lines if line.startswith("shop/10.0.0.2:80")]
    assert " ".join(row.split()) == "shop/10.0.0.2:80 zone-b down 1.5s 0 up, 1 down connection refused"
    assert lines[-4] == "why: lbmesh explain replica shop/10.0.0.2:80 --admin 10.1.0.1:9900"
    assert lines[-2:] == [
        "The last reload, 0.5s ago, was refused, and the settings before it stand:",
        "  lbmesh.toml:3: bad",
    ]


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(None, "-"), (0.04, "0.0s"), (9.94, "9.9s"), (12.4, "12s"), (119, "119s"), (120, "2m"), (7200, "2h"), (5e5, "6d")],
)
def test_durations_as_people_say_them(seconds: float | None, said: str) -> None:
    assert ago(seconds) == said


def test_the_table_says_why_a_node_is_alone() -> None:
    world = World()
    world.cut = {"lb-a", "lb-b"}
    world.add("lb-a", "zone-a", shop(1))
    plane = world.add("lb-b", "zone-b", shop(1))
    world.run(20.0)
    stranger = Gossip(
        identity=Identity("lb-c", "zone-c", Address("10.1.0.3", 7946), epoch=1, secret=bytes(32)),
        key_ring=KeyRing([bytes(32)]),
        seeds=(Address("10.1.0.2", 7946),),
        rng=random.Random(1),
        now=world.now,
    )
    for _, datagram in stranger.tick(world.now).datagrams:
        plane.datagram(Address("10.1.0.3", 7946), datagram, world.now)
    alone, silent, key, refused = [
        line for line in status_lines(state_of(plane, world.now), COMMAND) if line[:6] == "mesh: "
    ]
    assert alone == "mesh: this node only"
    assert silent.startswith("mesh: no seed of 10.1.0.1:7946 has answered for ")
    assert key.startswith("mesh: datagrams under another key from 10.1.0.3:7946, 1 so far: ")
    assert refused == "mesh: 1 datagrams refused (unknown_key)"


def test_nothing_is_said_of_a_node_that_wants_no_mesh() -> None:
    assert not any(line.startswith("mesh: ") for line in status_lines(state_of(a_plane()), COMMAND))
