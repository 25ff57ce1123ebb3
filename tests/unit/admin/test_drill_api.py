"""Orders of a drill over the admin API: who may give them, in what form, and nobody where it is not allowed."""

import json
from dataclasses import dataclass, field

import pytest

from lbmesh.admin.api import AdminRequest, AdminSource, answer
from lbmesh.admin.drill_shapes import DrillFault, DrillOrder, DrillPart, DrillStanding, read_drill_order
from lbmesh.gossip.key_orders import Said
from tests.support.planes import World, shop

TOKEN = "0123456789abcdef"
KILL = b'{"fault": "kill", "part": "agent", "at_most_s": 30}'


@dataclass
class Remembering:
    """Does nothing, and remembers what it was told."""

    told: list[object] = field(default_factory=list)

    def standing(self) -> tuple[DrillStanding, ...]:
        return (DrillStanding(DrillFault.FREEZE, DrillPart.FORWARDER, 2.5),)

    def order(self, order: DrillOrder) -> Said:
        self.told.append(order)
        return Said(order.part is not DrillPart.FORWARDERS, "said")

    def heal(self) -> Said:
        self.told.append("heal")
        return Said(True, "healed")

    def abort(self) -> Said:
        self.told.append("abort")
        return Said(True, "aborted")

    def aborted_for_s(self) -> float:
        return 9.0


def ask(actor: Remembering | None, method: str, path: str, body: bytes = b"{}", **fields: str) -> tuple[int, object]:
    plane = World().add("lb-a", "zone-a", shop(1))
    source = AdminSource(
        state=lambda: plane.picture.state(0.0),
        replicas=plane.picture.replica_states,
        metrics=lambda: iter(()),
        metrics_type="text/x",
        replica_ids=lambda: (),
        explain_replica=lambda _: None,
        explain_member=lambda _: None,
        token=TOKEN,
        drill=actor,
    )
    given = {"content_type": "application/json", "authorization": f"Bearer {TOKEN}", **fields}
    found = answer(AdminRequest(method, path, body=body, **given), source)
    text = b"".join(found.body)
    return found.status, json.loads(text) if found.content_type == "application/json" else text.decode()


def test_where_drills_are_not_allowed_nothing_is_done_and_it_says_what_to_write() -> None:
    assert ask(None, "GET", "/v1/drill") == (
        200,
        {"allowed": False, "aborted_for_s": 0.0, "standing": []},
    )
    for verb in ("apply", "heal", "abort"):
        status, said = ask(None, "POST", f"/v1/drill/{verb}", KILL)
        assert status == 409
        assert "set [admin] drills = true" in str(said)


def test_where_they_are_allowed_an_order_is_done() -> None:
    actor = Remembering()
    assert ask(actor, "GET", "/v1/drill") == (
        200,
        {
            "allowed": True,
            "aborted_for_s": 9.0,
            "standing": [{"fault": "freeze", "part": "forwarder", "for_at_most_s": 2.5}],
        },
    )
    assert ask(actor, "POST", "/v1/drill/apply", KILL)[0] == 200
    assert ask(actor, "POST", "/v1/drill/heal")[0] == 200
    assert ask(actor, "POST", "/v1/drill/abort")[0] == 200
    assert actor.told == [DrillOrder(DrillFault.KILL, DrillPart.AGENT, 30.0), "heal", "abort"]


def test_what_the_node_cannot_do_is_a_conflict() -> None:
    order = b'{"fault": "kill", "part": "forwarders", "at_most_s": 1}'
    assert ask(Remembering(), "POST", "/v1/drill/apply", order)[0] == 409


@pytest.mark.parametrize(
    ("method", "path", "fields", "status"),
    [
        ("POST", "/v1/drill/apply", {"authorization": ""}, 401),
        ("GET", "/v1/drill", {"authorization": "Bearer wrong"}, 401),
        ("POST", "/v1/drill/apply", {"content_type": "text/plain"}, 415),
        ("GET", "/v1/drill/apply", {}, 405),
        ("POST", "/v1/drill/reboot", {}, 404),
        ("POST", "/v1/drill", {}, 404),
    ],
)
def test_who_and_what_is_turned_away(method: str, path: str, fields: dict[str, str], status: int) -> None:
    actor = Remembering()
    assert ask(actor, method, path, KILL, **fields)[0] == status
    assert actor.told == []


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "not JSON"),
        (b"[]", "must be an object"),
        (b'{"fault": "kill", "part": "agent"}', "must be an object"),
        (b'{"fault": "kill", "part": "agent", "at_most_s": 1, "x": 1}', "must be an object"),
        (b'{"fault": "burn", "part": "agent", "at_most_s": 1}', '"fault" must be one of kill, freeze'),
        (b'{"fault": "kill", "part": "sentinel", "at_most_s": 1}', "one of agent, forwarder, forwarders"),
        (b'{"fault": "leave", "part": "agent", "at_most_s": 1}', '"part" of leave must be one of sentinel'),
        (b'{"fault": "kill", "part": ["agent"], "at_most_s": 1}', '"part" of kill'),
        (b'{"fault": "kill", "part": "agent", "at_most_s": 0}', "above 0"),
        (b'{"fault": "kill", "part": "agent", "at_most_s": 601}', "at most 600"),
        (b'{"fault": "kill", "part": "agent", "at_most_s": true}', "a number"),
    ],
)
def test_an_order_that_is_refused(body: bytes, says: str) -> None:
    said = read_drill_order(body)
    assert isinstance(said, str)
    assert says in said
