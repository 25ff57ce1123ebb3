"""Orders about the key ring over the admin API: who may give them, and in what form."""

import json
import random

import pytest

from lbmesh.admin.api import AdminRequest, AdminSource, answer
from lbmesh.admin.key_shapes import read_order
from lbmesh.admin.keys import ring_lines
from lbmesh.control.inputs import KeyOrder, KeyVerb
from lbmesh.control.plane import Plane
from lbmesh.gossip.identity import key_id
from lbmesh.gossip.key_orders import Said
from tests.support.planes import KEY, World, settings, shop

TOKEN = "0123456789abcdef"
OLD = key_id(KEY).hex()
FRESH = b"f" * 32
NEW = key_id(FRESH).hex()


def source(plane: Plane, token: str | None = None) -> AdminSource:
    def order(order: KeyOrder) -> Said:
        fresh = KeyOrder(order.verb, order.key, order.force, FRESH)
        return plane.order_key(fresh)[0]

    return AdminSource(
        state=lambda: plane.picture.state(0.0),
        replicas=plane.picture.replica_states,
        metrics=lambda: iter(()),
        metrics_type="text/x",
        replica_ids=lambda: (),
        explain_replica=lambda _: None,
        explain_member=lambda _: None,
        token=token,
        ring=plane.picture.ring,
        key_fault=lambda: plane.picture.key_fault,
        order_key=order,
    )


def meshed() -> tuple[World, Plane]:
    world = World()
    plane = world.add("lb-a", "zone-a", shop(1))
    world.add("lb-b", "zone-b", shop(1))
    world.run(3.0)
    return world, plane


def post(verb: str, body: bytes | None = b"{}", **fields: str) -> AdminRequest:
    given = {"content_type": "application/json", **fields}
    return AdminRequest("POST", f"/v1/keys/{verb}", body=body, **given)


def body_of(plane: Plane, request: AdminRequest) -> tuple[int, object]:
    found = answer(request, source(plane))
    text = b"".join(found.body)
    return found.status, json.loads(text) if found.content_type == "application/json" else text.decode()


def test_the_ring_is_shown_without_any_key() -> None:
    _, plane = meshed()
    found = answer(AdminRequest("GET", "/v1/keys"), source(plane))
    text = b"".join(found.body)
    ring = json.loads(text)
    assert (ring["primary"], ring["keys"]) == (OLD, [OLD])
    assert [(one["name"], one["primary"], one["held"]) for one in ring["members"]] == [
        ("lb-a", OLD, [OLD]),
        ("lb-b", OLD, [OLD]),
    ]
    assert KEY.hex().encode() not in text
    (line,) = ring_lines(ring)
    assert line == f"{OLD}  held by all 2 live members; primary of all 2 live members"


def test_orders_are_taken_or_refused_with_a_reason() -> None:
    world, plane = meshed()
    status, said = body_of(plane, post("install"))
    assert (status, said) == (
        200, {"done": True, "what": f"key {NEW} is on its way to all members", "key": NEW, "members": []},
    )  # fmt: skip
    status, said = body_of(plane, post("use", json.dumps({"key": NEW}).encode()))
    assert status == 409
    assert isinstance(said, dict)
    assert "lb-b" in said["members"]
    status, said = body_of(plane, post("remove", json.dumps({"key": OLD}).encode()))
    assert status == 409
    assert isinstance(said, dict)
    assert "primary" in said["what"]
    assert body_of(plane, post("use", b'{"key": "nonsense"}'))[0] == 409
    world.run(1.0)


def test_a_node_alone_has_no_ring() -> None:
    plane = Plane(settings(shop(1)), generation=1, gossip=None, rng=random.Random(1), now=0.0)
    status, said = body_of(plane, post("install"))
    assert status == 409
    assert isinstance(said, dict)
    assert "alone" in said["what"]


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (post("install", content_type="text/plain"), 415),
        (post("install", content_type=""), 415),
        (post("install", content_type="application/x-www-form-urlencoded"), 415),
        (post("install", origin="http://evil.example"), 403),
        (post("install", origin="null"), 403),
        (post("install", None), 413),
        (post("install", b"no json"), 400),
        (post("explode"), 404),
        (AdminRequest("GET", "/v1/keys/install"), 405),
        (AdminRequest("PUT", "/v1/keys"), 404),
    ],
)
def test_what_no_order_looks_like_changes_nothing(request_: AdminRequest, status: int) -> None:
    _, plane = meshed()
    before = plane.picture.ring()
    assert answer(request_, source(plane)).status == status
    assert plane.picture.ring() == before


def test_with_a_token_orders_need_it_and_pages_of_ones_own_may_give_them() -> None:
    _, plane = meshed()
    guarded = source(plane, TOKEN)
    assert answer(post("install"), guarded).status == 401
    assert answer(AdminRequest("GET", "/v1/keys"), guarded).status == 401
    assert answer(post("install", authorization=f"Bearer {TOKEN}", origin="http://console"), guarded).status == 200


@pytest.mark.parametrize("body", [b"", b"[]", b'{"key": 1}', b'{"key": "a", "force": 1}', b'{"fresh": "00"}', b"\xff"])
def test_malformed_orders(body: bytes) -> None:
    assert isinstance(read_order(KeyVerb.REMOVE, body), str)


def test_an_order_needs_a_key_except_to_install_a_fresh_one() -> None:
    assert read_order(KeyVerb.INSTALL, b"{}") == KeyOrder(KeyVerb.INSTALL)
    assert isinstance(read_order(KeyVerb.USE, b"{}"), str)
    assert read_order(KeyVerb.REMOVE, b'{"key": "aa", "force": true}') == KeyOrder(KeyVerb.REMOVE, "aa", True)
