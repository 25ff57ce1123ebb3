"""What `lbmesh explain` says: the answer in the first two lines, then who said what."""

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from random import Random
from typing import Any
from urllib.parse import quote

import pytest

from lbmesh.admin.api import AdminRequest, AdminSource, answer
from lbmesh.admin.explain import WIDTH, explain_lines
from lbmesh.admin.explain_url import url_lines
from lbmesh.admin.names import find_replica, near
from lbmesh.admin.status import status_lines
from lbmesh.control.inputs import ProbeResult
from lbmesh.control.plane import Plane
from lbmesh.model.address import Address
from lbmesh.model.explanation import Explanation, Said, Transition
from lbmesh.model.front import Front
from lbmesh.model.service import ReplicaId
from lbmesh.model.view import ViewVersion
from tests.support.planes import World, replica_id, settings, shop

FOR_ITSELF = "this node has seen for itself, and what others reach does not help it"
DOWN = Explanation(
    subject="shop/10.0.1.20:8080",
    state="down",
    for_s=12.3,
    rule="own_evidence",
    reason="connection refused, 3 times in a row",
    said=(
        Said("this node", "zone-a", "down: connection refused", 1.2),
        Said("lb-b1", "zone-b", "up: status 200", 0.4, False, FOR_ITSELF),
    ),
    history=(
        Transition("up", "down", 12.3, "own_evidence", "connection refused, 3 times in a row"),
        Transition("unknown", "up", 4000.0, "own_evidence", "status 200"),
    ),
    notes=("held back: 3 changes in the last minute",),
)


def said(explanation: Explanation, *, colours: bool = False) -> list[str]:
    found = json.loads(json.dumps({"node": "lb-a1", "kind": "replica", **asdict(explanation)}))
    return list(explain_lines(found, colours=colours))


def test_the_answer_stands_in_the_first_two_lines_and_the_evidence_below() -> None:
    assert said(DOWN) == [
        "shop/10.0.1.20:8080 is down for 12s: connection refused, 3 times in a row",
        "  rule own_evidence, as lb-a1 sees it",
        "  note: held back: 3 changes in the last minute",
        "",
        "who said what:",
        "  who        zone    age   counts  said",
        "  this node  zone-a  1.2s  yes     down: connection refused",
        "  lb-b1      zone-b  0.4s  no      up: status 200 (not counted: this node has seen for itself, and",
        "                                   what others reach does not help it)",
        "",
        "what it was before, newest first:",
        "  ago  from     to    rule          reason",
        "  12s  up       down  own_evidence  connection refused, 3 times in a row",
        "  67m  unknown  up    own_evidence  status 200",
    ]


def test_without_evidence_there_are_no_tables() -> None:
    assert said(Explanation("lb-a", "alive", 3.0, "this_node", "this node")) == [
        "lb-a is alive for 3.0s: this node",
        "  rule this_node, as lb-a1 sees it",
    ]


def test_only_the_state_is_coloured_and_only_when_asked() -> None:
    assert "\x1b" not in "".join(said(DOWN))
    coloured = said(DOWN, colours=True)
    assert coloured[0].startswith("shop/10.0.1.20:8080 is \x1b[31mdown\x1b[0m for 12s")
    assert coloured[1:] == said(DOWN)[1:]


def test_whatever_is_said_fits_the_width_and_obeys_no_terminal() -> None:
    nasty = "\x1b[2Jgone\r\n\x9b31m " + "z" * 300
    words = (Said("n" * 64, "z" * 64, nasty, 1.0, False, nasty),)
    moves = (Transition("up", "down", 1.0, nasty, nasty),)
    lines = said(Explanation("s" * 63 + "/10.0.0.1:80", "down", 1.0, nasty, nasty, words, moves, (nasty,)))
    assert all(len(line) <= WIDTH for line in lines)
    assert all(character.isprintable() for line in lines for character in line)


SHOP, OTHER = ReplicaId("shop", Address("10.0.0.1", 80)), ReplicaId("other", Address("10.0.0.1", 80))
ALONE = ReplicaId("shop", Address("::1", 80))


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("shop/10.0.0.1:80", SHOP),
        ("other/10.0.0.1:80", OTHER),
        ("[::1]:80", ALONE),
        ("shop/[::1]:80", ALONE),
        ("10.0.0.1:80", ("2 services have a replica at 10.0.0.1:80: say which", (str(OTHER), str(SHOP)))),
        ("10.0.0.9:80", ("no replica 10.0.0.9:80 is configured here", ())),
        ("else/10.0.0.1:80", ("no replica else/10.0.0.1:80 is configured here", ())),
    ],
)
def test_a_replica_is_found_by_its_name_or_an_address_that_it_has_alone(name: str, found: object) -> None:
    assert find_replica(name, [SHOP, OTHER, ALONE]) == found


def test_a_name_that_is_none_says_what_to_write() -> None:
    wrong = find_replica("shop/10.0.0.1", [SHOP])
    assert isinstance(wrong, tuple)
    assert "has no port" in wrong[0]
    assert "service/address" in wrong[0]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("app-a1", 'no replica has the name "app-a1"'),
        ("", 'no replica has the name ""'),
        ("shop/", '"shop/" lacks the address'),
        ("10.0.0.1", '"10.0.0.1" has no port: write "host:port"'),
        ("10.0.0.1:99999", "is out of range: write a port from 1 to 65535"),
        ("n" * 20_000, f'no replica has the name "{"n" * 99}…"'),
        ("n" * 20_000 + ":80", f'no replica has the name "{"n" * 99}…"'),
        ("shop/" + "n" * 20_000, f'no replica has the name "shop/{"n" * 94}…"'),
        ("n" * 20_000 + "/10.0.0.1:80", f"no replica {'n' * 99}… is configured here"),
        ("n" * 20_000 + "/", f'"{"n" * 99}…" lacks the address'),
    ],
    ids=lambda text: text[:7],
)
def test_what_is_no_name_is_told_briefly(name: str, said: str) -> None:
    wrong = find_replica(name, [SHOP])
    assert isinstance(wrong, tuple)
    assert said in wrong[0]
    assert len(wrong[0]) < 250
    assert wrong[0].endswith(("service/address, such as shop/10.0.1.20:8080", "is configured here"))


def test_near_names_are_those_that_contain_it_then_those_alike() -> None:
    names = ["shop/10.0.1.20:8080", "shop/10.0.1.21:8080", "search/10.0.3.1:80"]
    assert near("10.0.1.2", names)[:2] == ("shop/10.0.1.20:8080", "shop/10.0.1.21:8080")
    assert near("search/10.0.3.2:80", names)[0] == "search/10.0.3.1:80"
    assert near("lb-q", ["lb-a1", "lb-b1"]) == ("lb-b1", "lb-a1")
    assert near("completely else", names) == tuple(sorted(names))


@pytest.fixture
def ask() -> Callable[[str], tuple[int, dict[str, Any]]]:
    """Ask the first of two nodes in a world where one replica is dead."""
    world = World(lambda _node, replica: ProbeResult(replica != replica_id(2), "as it is"))
    for zone in "ab":
        plane = world.add(f"lb-{zone}", f"zone-{zone}", shop(), shop(1, name="next"))
    world.run(10.0)
    plane = world.planes["lb-a"]
    source = AdminSource(
        state=lambda: plane.picture.state(world.now),
        replicas=plane.picture.replica_states,
        metrics=lambda: iter(()),
        metrics_type="text/x",
        replica_ids=plane.picture.replica_ids,
        explain_replica=lambda replica: plane.picture.explain_replica(world.now, replica),
        explain_member=lambda name: plane.picture.explain_member(world.now, name),
        explain_front=lambda name: plane.picture.explain_front(world.now, name),
        explain_url=plane.picture.explain_url,
    )

    def get(path: str) -> tuple[int, dict[str, Any]]:
        page = answer(AdminRequest("GET", path), source)
        return page.status, json.loads(b"".join(page.body))

    return get


def test_the_api_explains_a_dead_replica_by_those_who_saw_it(ask: Callable[[str], tuple[int, dict[str, Any]]]) -> None:
    status, found = ask("/v1/explain/replica/shop/10.0.0.2:80")
    assert (status, found["node"], found["kind"]) == (200, "lb-a", "replica")
    assert (found["subject"], found["state"]) == ("shop/10.0.0.2:80", "down")
    assert {one["who"] for one in found["said"]} == {"this node", "lb-b"}
    assert all(one["what"].startswith("down") for one in found["said"])
    assert next(explain_lines(found)).startswith("shop/10.0.0.2:80 is down for ")
    assert ask("/v1/explain/replica/10.0.0.2%3A80")[1]["subject"] == "shop/10.0.0.2:80"


def test_the_api_explains_a_member_by_its_observers(ask: Callable[[str], tuple[int, dict[str, Any]]]) -> None:
    status, found = ask("/v1/explain/member/lb-b")
    assert (status, found["subject"], found["state"]) == (200, "lb-b", "alive")
    assert [one["who"] for one in found["said"]] == ["this node"]
    assert next(explain_lines(found)).startswith("lb-b is alive for ")


def test_the_api_says_what_is_wrong_with_a_name(ask: Callable[[str], tuple[int, dict[str, Any]]]) -> None:
    status, wrong = ask("/v1/explain/replica/10.0.0.1:80")
    assert (status, wrong["meant"]) == (404, ["next/10.0.0.1:80", "shop/10.0.0.1:80"])
    assert ask("/v1/explain/replica/nonsense")[0] == 404
    assert ask(f"/v1/explain/member/{'n' * 9999}")[1]["error"] == f"no member {'n' * 99}… is known here"
    assert ask("/v1/explain/member/lb-z") == (404, {"error": "no member lb-z is known here", "meant": []})


def test_the_api_explains_a_front_and_tells_of_it_in_the_state() -> None:
    front = Front(Address("203.0.113.1", 80), "zone-a", "lb-a")
    plane = Plane(
        replace(settings(shop(), node="lb-a"), fronts=(front,)), generation=1, gossip=None, rng=Random(1), now=100.0
    )
    plane.start(100.0)
    plane.forwarder_linked(0, 1, 100.0)
    plane.forwarder_viewed(0, ViewVersion(1, 1), 100.0)
    source = AdminSource(
        state=lambda: plane.picture.state(100.5),
        replicas=plane.picture.replica_states,
        metrics=lambda: iter(()),
        metrics_type="text/x",
        replica_ids=plane.picture.replica_ids,
        explain_replica=lambda _: None,
        explain_member=lambda _: None,
        explain_front=lambda name: plane.picture.explain_front(100.5, name),
    )

    def get(path: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(b"".join(answer(AdminRequest("GET", path), source).body))
        return found

    lines = list(explain_lines(get("/v1/explain/front/203.0.113.1")))
    assert lines[0].startswith("203.0.113.1 is claiming for 0.5s: lb-a is its home node")
    (told,) = get("/v1/state")["fronts"]
    assert (told["holder"], told["holders"]) == ("lb-a", []), "who should have it does not answer for it yet"
    assert (told["state"], told["driver"]) == ("claiming", "none")
    (line,) = [one for one in status_lines(get("/v1/state")) if one.startswith("203.0.113.1")]
    assert "lb-a is its home node" in line
    assert line.split()[2] == "nobody"
    missing = get("/v1/explain/front/203.0.113.2")
    assert missing == {"error": "no front 203.0.113.2 is in the settings", "meant": ["203.0.113.1"]}


def test_the_api_explains_where_a_request_would_go(ask: Callable[[str], tuple[int, dict[str, Any]]]) -> None:
    status, found = ask("/v1/explain/url/http%3A%2F%2Fshop.example.com%2Fa%3Fb%3Dc")
    assert (status, found["node"], found["kind"]) == (200, "lb-a", "url")
    (service,) = found["services"]
    assert (service["name"], service["share"]) == ("next", 1.0)
    assert [(one["address"], one["share"]) for one in service["replicas"]] == [("10.0.0.1:80", 1.0)]
    assert service["zones"] == [
        {"zone": "zone-a", "share": 1.0, "why": "50% of the traffic, 100% of the capacity, 0 in flight"}
    ]
    lines = list(url_lines(found))
    assert lines[0] == "http://shop.example.com/a?b=c goes to next (100%), as lb-a sees it"
    assert "  100%  zone-a  50% of the traffic, 100% of the capacity, 0 in flight" in lines
    assert lines[-1].startswith("  100.0%  10.0.0.1:80  zone-a  0          -        up: ")


@pytest.mark.parametrize("url", ["shop", "ftp://shop/", "http://", "http://a b/", "http://é/", "http://[::1/"])
def test_the_api_says_how_a_url_is_written(ask: Callable[[str], tuple[int, dict[str, Any]]], url: str) -> None:
    status, wrong = ask(f"/v1/explain/url/{quote(url, safe='')}")
    assert (status, wrong["error"]) == (404, 'write a URL such as "http://shop.example.com/checkout"')
