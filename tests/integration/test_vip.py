"""Fronts on a shared L2, with whole nodes in namespaces: they move, stay silent, are repaired, never doubled."""

import os
import shutil
import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from lbmesh.drivers.kernel.limits import LEASE_S
from tests.support.places import PlacedNode, fetch
from tests.support.segment import Segment, looking, mesh, segment
from tests.support.segment_waiters import LATE_S
from tests.support.sightings import waiting
from tests.support.wait import wait_for

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("ip") or not shutil.which("nft"),
    reason="needs root, and: apt-get install iproute2 nftables",
)

FRONT, FRONT_6 = "10.0.0.100", "fd00::100"
OVERLAP_S = 0.4
"""Two nodes answer for one front never longer than this."""

_ANOTHERS = """
table ip lbmesh_flows { }
delete table ip lbmesh_flows
table ip lbmesh_flows {
  set known { type mark; }
}
"""

_DROPS = 5 + 3
"""Rules that drop something: those of leases, and those about the connections of fronts."""

_HEALED_S = 2.0
"""By then all has come that a fault or its end brings."""


@pytest.fixture
def trio_of_nodes(tmp_path: Path) -> Iterator[tuple[Segment, tuple[PlacedNode, ...]]]:
    with segment(3) as place, mesh(place, tmp_path, [FRONT, FRONT_6]) as nodes:
        yield place, nodes


@pytest.fixture
def node_alone(tmp_path: Path) -> Iterator[tuple[Segment, PlacedNode]]:
    with segment(1) as place, mesh(place, tmp_path, [FRONT]) as (node,):
        yield place, node


@pytest.fixture(scope="module")
def mended_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Segment, PlacedNode]]:
    """For damage after damage, each of which it repairs."""
    with segment(1) as place, mesh(place, tmp_path_factory.mktemp("mended"), [FRONT]) as (node,):
        yield place, node


def holders(nodes: tuple[PlacedNode, ...], front: str) -> list[str]:
    return [node.name for node in nodes if node.place.has(front)]


def wait_single_holder(nodes: tuple[PlacedNode, ...], front: str, name: str) -> None:
    wait_for(lambda: holders(nodes, front) == [name], f"{front} at {name} alone")


@pytest.mark.alone
def test_the_front_of_a_killed_node_answers_at_another_and_comes_home_without_a_double(
    trio_of_nodes: tuple[Segment, tuple[PlacedNode, ...]],
) -> None:
    place, nodes = trio_of_nodes
    assert (fetch(place.client, FRONT), fetch(place.client, FRONT_6)) == ("1", "1")
    with looking(place, FRONT) as seen:
        nodes[0].kill()
        killed_s = time.monotonic()
        wait_for(lambda: fetch(place.client, FRONT), "an answer of another")
        wait_for(lambda: fetch(place.client, FRONT_6) in ("2", "3"), "an answer of another over IPv6")
        time.sleep(_HEALED_S)
    assert seen.overlap_s() <= OVERLAP_S
    answers = [answer for begun, _, answer in seen.requests if begun > killed_s + 1.0]
    assert set(answers) <= {"2", "3"}
    assert len(answers) > 50
    # The killed node's kernel has the address still, and must be silent about it until the next run takes it away.
    assert nodes[0].place.has(FRONT)
    assert {mac for heard, mac in seen.replies if heard > killed_s + 2 * LEASE_S}.isdisjoint({nodes[0].place.mac})
    with looking(place, FRONT) as seen:
        nodes[0].start()
        for front in (FRONT, FRONT_6):
            nodes[0].wait_front(front, "held")
            wait_single_holder(nodes, front, "lb-1")
    assert "took away an address that a former run left" in nodes[0].log_text()
    assert seen.overlap_s() <= OVERLAP_S
    assert (fetch(place.client, FRONT), fetch(place.client, FRONT_6)) == ("1", "1")


@pytest.mark.alone
def test_a_frozen_node_falls_silent_and_stays_so_when_it_thaws_while_another_serves(
    trio_of_nodes: tuple[Segment, tuple[PlacedNode, ...]],
) -> None:
    place, nodes = trio_of_nodes
    with looking(place, FRONT) as seen:
        nodes[0].signal(signal.SIGSTOP)
        frozen_s = time.monotonic()
        wait_for(lambda: fetch(place.client, FRONT) in ("2", "3"), "an answer of another")
        time.sleep(_HEALED_S)
        thawed_s = time.monotonic()
        nodes[0].signal(signal.SIGCONT)
        time.sleep(1.0)
    mine = [heard for heard, mac in seen.replies if mac == nodes[0].place.mac]
    assert not [heard for heard in mine if frozen_s + 2 * LEASE_S < heard < thawed_s]
    assert seen.overlap_s() <= OVERLAP_S
    nodes[0].wait_front(FRONT, "held")
    wait_single_holder(nodes, FRONT, "lb-1")
    assert fetch(place.client, FRONT) == "1"


def tells(node: PlacedNode, front: str, family: str, heir: str) -> bool:
    """Does it tell this heir of the front's connections?"""
    return f"{front} : " in node.place.run("nft", "list", "map", family, "lbmesh_flows", heir)


@pytest.mark.alone
def test_nobody_waits_for_a_frozen_node_and_who_asks_the_next_holder_is_answered(
    trio_of_nodes: tuple[Segment, tuple[PlacedNode, ...]],
) -> None:
    place, nodes = trio_of_nodes
    for front, family in ((FRONT, "ip"), (FRONT_6, "ip6")):
        for heir in ("heir1", "heir2"):
            wait_for(partial(tells, nodes[0], front, family, heir), f"{heir} of {front}")
    with waiting(place.client, FRONT, 30, 10) as of_4, waiting(place.client, FRONT_6, 30, 10) as of_6:
        nodes[0].signal(signal.SIGSTOP)
        frozen_s = time.monotonic()
        wait_for(
            lambda: all(fetch(place.client, front) in ("2", "3") for front in (FRONT, FRONT_6)), "answers of others"
        )
        time.sleep(_HEALED_S)
        ended_s = time.monotonic()
    for seen in (of_4, of_6):
        assert [one for one in seen if one.ended_s is None and one.begun_s < ended_s - 2 * LATE_S] == []
        late = [one for one in seen if one.kind == "late" and frozen_s + 2 * LEASE_S < one.begun_s]
        assert {one.how for one in late if one.ended_s is not None} == {"answered"}
        assert {one.how for one in seen if one.kind == "waiting"} == {"reset"}


@pytest.mark.alone
def test_two_that_were_parted_do_not_both_answer_when_the_cable_is_back(
    trio_of_nodes: tuple[Segment, tuple[PlacedNode, ...]],
) -> None:
    place, nodes = trio_of_nodes
    place.cut(nodes[0].place)
    wait_for(lambda: fetch(place.client, FRONT) in ("2", "3"), "an answer of another")
    assert nodes[0].front(FRONT)["state"] == "held"
    with looking(place, FRONT) as seen:
        place.heal(nodes[0].place)
        wait_for(lambda: len(holders(nodes, FRONT)) == 1, "a single holder")
        time.sleep(_HEALED_S)
    assert seen.overlap_s() <= OVERLAP_S
    assert fetch(place.client, FRONT)


@pytest.mark.alone
def test_nodes_that_cannot_gossip_take_nothing_that_is_served(
    trio_of_nodes: tuple[Segment, tuple[PlacedNode, ...]],
) -> None:
    place, nodes = trio_of_nodes
    with looking(place, FRONT) as seen:
        place.cut_gossip(nodes[0].place)
        wait_for(
            lambda: any("still answers elsewhere" in one.front(FRONT)["problem"] for one in nodes[1:]), "an attempt"
        )
        time.sleep(_HEALED_S)
    assert {answer for _, _, answer in seen.requests} == {"1"}
    assert {mac for _, mac in seen.replies} == {nodes[0].place.mac}


@pytest.mark.alone
def test_the_death_of_the_agent_interrupts_nobody(node_alone: tuple[Segment, PlacedNode]) -> None:
    place, node = node_alone
    with looking(place, FRONT) as seen:
        os.kill(node.children("agent")[-1], signal.SIGKILL)
        wait_for(lambda: node.log_text().count('"event": "child ready", "child": "agent"') == 2, "the next agent")
        node.wait_front(FRONT, "held")
        time.sleep(2 * LEASE_S)
    assert {answer for _, _, answer in seen.requests} == {"1"}
    # A SYN that comes while the address is away is sent again after a second.
    assert max(ended_s - begun_s for begun_s, ended_s, _ in seen.requests) < 1.0


@pytest.mark.parametrize(
    "damage",
    [
        ("ip", "address", "del", f"{FRONT}/32", "dev", "eth0"),
        ("ip", "address", "flush", "dev", "eth0", "to", FRONT),
        ("nft", "flush", "ruleset"),
        ("nft", "flush", "chain", "arp", "lbmesh_fronts", "answers"),
        ("nft", "flush", "table", "ip", "lbmesh_flows"),
        ("sh", "-c", "ip link set eth0 down; ip link set eth0 up"),
    ],
    ids=" ".join,
)
def test_what_somebody_changes_by_hand_is_repaired(
    mended_node: tuple[Segment, PlacedNode], damage: tuple[str, ...]
) -> None:
    place, node = mended_node

    def is_whole() -> bool:
        rules = node.place.run("nft", "list", "ruleset")
        has_rules = rules.count("drop") == _DROPS and rules.count(f"{FRONT} timeout") == 2
        return node.place.has(FRONT) and has_rules

    wait_for(is_whole, "the world as it is to be")
    node.place.run(*damage)
    wait_for(is_whole, "the world as it was")
    wait_for(lambda: fetch(place.client, FRONT) == "1", "an answer")
    wait_for(lambda: node.front(FRONT)["problem"] == "", "no problem any more")


def test_a_front_that_a_reload_changes_is_looked_after_as_it_is_now(node_alone: tuple[Segment, PlacedNode]) -> None:
    place, node = node_alone
    options = 'options = { interface = "eth0" }'
    assert options in node.config

    def reload(text: str) -> None:
        assert node.process is not None
        (node.directory / "lbmesh.toml").write_text(text)
        node.process.send_signal(signal.SIGHUP)

    def has_length(length: int) -> bool:
        return [one["prefixlen"] for one in node.place.addresses() if one.get("local") == FRONT] == [length]

    # Which of the tasks that a reload wakes comes first is left to chance.
    for length in (24, 25, 26, 27):
        reload(node.config.replace(options, f'options = {{ interface = "eth0", prefix_length = {length} }}'))
        wait_for(partial(has_length, length), f"the front with a prefix of {length}")
        node.wait_front(FRONT, "held")
        node.place.run("ip", "address", "del", f"{FRONT}/{length}", "dev", "eth0")
        wait_for(lambda: node.place.has(FRONT), "the repair")
        wait_for(lambda: fetch(place.client, FRONT), "an answer")
    table = node.config[node.config.index("[[front]]") : node.config.index("[admin]")]
    reload(node.config.replace(table, ""))
    wait_for(lambda: not node.place.has(FRONT), "the front let go")
    wait_for(lambda: "lbmesh_fronts" not in node.place.run("nft", "list", "tables"), "no rules any more")


def test_what_a_backup_lacks_is_in_its_status_until_it_is_there(tmp_path: Path) -> None:
    with segment(2) as place, mesh(place, tmp_path, [FRONT]) as nodes:
        backup = nodes[1]
        backup.kill()
        backup.config = backup.config.replace('interface = "eth0"', 'interface = "eth7"')
        backup.place.run("nft", "-f", "-", text=_ANOTHERS)
        backup.start()

        def lacks(words: str) -> bool:
            found = backup.front(FRONT)
            return found.get("state") == "idle" and words in found["problem"]

        wait_for(lambda: lacks("there is no interface eth7"), "a word about the interface")
        backup.place.run("ip", "link", "add", "eth7", "type", "veth", "peer", "name", "eth8")
        backup.place.run("ip", "link", "set", "eth8", "up")
        wait_for(lambda: lacks("eth7 is down"), "a word about the link")
        backup.place.run("ip", "link", "set", "eth7", "up")
        wait_for(lambda: lacks("connections of fronts are not known to their backups: nft"), "a word about the rules")
        backup.place.run("nft", "delete", "table", "ip", "lbmesh_flows")
        wait_for(lambda: backup.front(FRONT).get("problem") == "", "no problem any more")
        backup.place.run("nft", "flush", "table", "inet", "lbmesh_fronts")
        wait_for(lambda: "drop" in backup.place.run("nft", "list", "table", "inet", "lbmesh_fronts"), "the rules again")
        assert backup.log_text().count("a front could not be taken here as things are") == 3


@pytest.mark.parametrize("kind", ["gone", "none", "command"])
def test_what_a_crash_left_of_a_front_that_is_of_another_kind_by_now_is_taken_away(
    node_alone: tuple[Segment, PlacedNode], kind: str
) -> None:
    place, node = node_alone
    node.kill()
    table = node.config[node.config.index("[[front]]") : node.config.index("[admin]")]
    program = 'driver = "command"\nclass = "overlap"\noptions = { run = "/bin/true" }\n'
    now = {"gone": "", "none": 'driver = "none"\n', "command": program}[kind]
    head = f'[[front]]\naddress = "{FRONT}"\nzone = "zone-1"\n'
    node.config = node.config.replace(table, head + now if now else "")
    assert node.place.has(FRONT)
    node.start()
    wait_for(lambda: not node.place.has(FRONT), "the address gone")
    wait_for(lambda: "lbmesh" not in node.place.run("nft", "list", "ruleset"), "no rules any more")
    for words in ("took away an address that a former run left", "took away rules that a former run left"):
        assert words in node.log_text()
    # Whoever gives the address to this machine now is answered.
    node.place.run("ip", "address", "add", f"{FRONT}/32", "dev", "eth0")
    wait_for(lambda: fetch(place.client, FRONT) == "1", "an answer")


def test_an_address_that_a_stranger_has_is_not_taken_and_the_node_serves_on(tmp_path: Path) -> None:
    with segment(1) as place:
        place.watcher.run("ip", "address", "add", f"{FRONT}/24", "dev", "eth0")
        with mesh(place, tmp_path, [FRONT], held=False) as (node,):
            wait_for(lambda: place.watcher.mac in node.front(FRONT).get("problem", ""), "the stranger's name")
            assert "take the address from that machine" in node.front(FRONT)["problem"]
            assert not node.place.has(FRONT)
            assert fetch(place.client, node.place.address) == "1"
            place.watcher.run("ip", "address", "del", f"{FRONT}/24", "dev", "eth0")
            node.wait_front(FRONT, "held")
            wait_for(lambda: fetch(place.client, FRONT) == "1", "an answer")


@pytest.mark.parametrize(
    ("options", "wrapper", "said"),
    [
        ('interface = "eth7"', (), "there is no interface eth7"),
        ('interface = "lo"', (), "lo is no Ethernet"),
        ('interface = "eth0"', ("setpriv", "--bounding-set=-net_raw"), "CAP_NET_RAW"),
        ('interface = "eth0"', ("setpriv", "--bounding-set=-net_admin"), "CAP_NET_ADMIN"),
    ],
)
def test_what_is_missing_is_said_and_the_node_serves_on(
    tmp_path: Path, options: str, wrapper: tuple[str, ...], said: str
) -> None:
    with segment(1) as place, mesh(place, tmp_path, [FRONT], held=False, options=options, wrapper=wrapper) as (node,):
        wait_for(lambda: said in node.front(FRONT).get("problem", ""), f"words with {said}")
        assert fetch(place.client, node.place.address) == "1"
        assert not node.place.has(FRONT)


def test_a_node_that_leaves_takes_its_address_and_its_rules_with_it(node_alone: tuple[Segment, PlacedNode]) -> None:
    _, node = node_alone
    node.end()
    assert not node.place.has(FRONT)
    assert "lbmesh" not in node.place.run("nft", "list", "ruleset")
