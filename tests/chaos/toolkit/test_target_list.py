"""The safety list: what it takes, and what it lets be done."""

from pathlib import Path
from typing import Any

import pytest

from lbmesh.admin.drill_shapes import DrillOrder, read_drill_order
from lbmesh_chaos.drill.experiment_file import ExperimentError, read_drill
from lbmesh_chaos.faults.order import Order, parse_order
from lbmesh_chaos.toolkit.check import check
from lbmesh_chaos.toolkit.target_list import ABLE, TargetList, parse_target_list
from tests.chaos.toolkit.test_check import EXPERIMENTS, activity, experiment

HEAD = """\
name = "staging"
[safety]
nodes_max_share = 0.5
at_most_max = "30s"
"""
NODE = """
[[node]]
name = "lb-{0}"
zone = "zone-{1}"
admin = "10.1.1.{2}:9900"
faults = ["kill agent", "freeze forwarder", "reload"]
"""
LIST = HEAD + "".join(NODE.format(*one) for one in (("a1", "a", 1), ("a2", "a", 2), ("b1", "b", 3), ("b2", "b", 4)))
LIST += """
[[node]]
name = "lb-c1"
zone = "zone-c"
admin = "10.1.1.5:9900"
[[replica]]
name = "app-a1"
zone = "zone-a"
address = "10.1.2.1:8081"
"""


def targets(text: str = LIST) -> TargetList:
    found = parse_target_list(text, file="staging.toml")
    assert isinstance(found, TargetList), found
    return found


def order(name: str, **arguments: Any) -> Order:
    found = parse_order(name, {"at_most": "10s", **arguments}, targets().world)
    assert isinstance(found, Order), found
    return found


def kill(*names: str, label: str = "kill") -> Order:
    return order("kill", targets=list(names), part="agent", label=label)


def test_its_world_has_what_experiments_name() -> None:
    world = targets().world
    assert [zone.name for zone in world.zones] == ["zone-a", "zone-b", "zone-c"]
    replica = world.host("app-a1")
    assert replica is not None
    assert replica.served_at == "10.1.2.1:8081"


def test_what_the_list_allows_may_be_done() -> None:
    assert targets().why_not(kill("lb-a1"), ()) is None
    assert targets().why_not(kill("lb-a1", "lb-a2"), ()) is None
    assert targets().why_not(kill("lb-a2"), (kill("lb-a1", label="first"),)) is None


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        (order("freeze", targets="lb-a1", part="agent"), '"freeze agent" is not allowed on lb-a1; the target\'s list'),
        (order("kill", targets="lb-c1", part="agent"), "allows nothing"),
        (order("leave", targets="lb-a1"), '"leave" is not allowed on lb-a1'),
        (order("kill", targets="lb-a1", part="agent", at_most="31s"), "the target's list allows 30 s"),
        (kill("lb-a1", "lb-b1"), "zone-a and zone-b would be struck at the same time"),
        (order("reload", targets="lb-a1", flapping={"stands": "1s", "rests": "1s"}), "nodes do not flap"),
        (order("kill", targets="lb-a1"), "write part: agent, forwarder or forwarders"),
        (order("freeze", targets="lb-a1", part="sentinel"), "write part: agent"),
        (order("cut", targets="zone-a"), "who cuts itself off cannot be told to come back"),
        (order("latency", targets="lb-a1", delay="10ms"), "use a lab"),
        (order("disk_full", targets="lb-a1"), "use a lab"),
        (order("ailing", targets="app-a1", errors=0.5), "what is no balancer has no admin API"),
        (order("kill", targets="app-a1"), "a node cannot do this to itself"),
        (order("config_poison", targets="lb-a1", poison="empty"), "push the file as you push every other one"),
        (order("starve", targets="lb-a1", share=0.5), "CPUQuota"),
    ],
)
def test_what_it_does_not_allow_is_refused_with_what_to_use(wanted: Order, says: str) -> None:
    assert says in (targets().why_not(wanted, ()) or "")


def test_not_more_than_its_share_and_never_two_zones_whatever_stands_already() -> None:
    humble = targets(LIST.replace("nodes_max_share = 0.5", "nodes_max_share = 0.3"))
    first = kill("lb-a1", label="first")
    assert humble.why_not(first, ()) is None
    assert "2 of 5 nodes would be struck" in (humble.why_not(kill("lb-a2"), (first,)) or "")
    assert "zone-a and zone-b" in (targets().why_not(kill("lb-b1"), (first,)) or "")


def test_an_experiment_is_held_against_the_list_as_a_whole_before_anything_is_touched() -> None:
    """Each fault by itself may be done; not the second while the first stands."""
    first = activity("kill", targets="lb-a1", part="agent", at_most="10s", label="first")
    second = activity("kill", targets="lb-b1", part="agent", at_most="10s", label="second")
    found, world = targets(), targets().world
    (wrong,) = check(experiment(first, second), world, found.why_not)
    assert wrong.startswith('method[2] "kill": kill: zone-a and zone-b')
    assert check(experiment(first, activity("heal", label="first"), second), world, found.why_not) == ()


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (
            "nodes_max_share = 0.5",
            "nodes_max_share = 0.6",
            "3: safety.nodes_max_share: found 0.6; write a number above 0",
        ),
        ('at_most_max = "30s"', 'at_most_max = "11m"', 'write at most "10m"'),
        ("[safety]\n", "", "safety: missing"),
        ('"kill agent", ', '"kill agents", ', 'found "kill agents"; write "kill agent"'),
        ('name = "lb-a2"', 'name = "lb-a1"', "this name is taken"),
        ('admin = "10.1.1.2:9900"', 'admn = "10.1.1.2:9900"', "admn: unknown key"),
        ('name = "staging"\n', "", "name: missing"),
    ],
)
def test_a_list_that_is_refused(old: str, new: str, says: str) -> None:
    assert old in LIST
    found = parse_target_list(LIST.replace(old, new, 1), file="staging.toml")
    assert isinstance(found, tuple)
    assert says in "\n".join(map(str, found))


def test_a_list_without_nodes_is_none() -> None:
    found = parse_target_list(HEAD, file="staging.toml")
    assert isinstance(found, tuple)
    assert "node: missing" in "\n".join(map(str, found))


def test_every_word_is_one_that_a_node_knows() -> None:
    for word in ABLE:
        fault, _, part = word.partition(" ")
        body = f'{{"fault": "{fault}", "part": "{part or "sentinel"}", "at_most_s": 1}}'
        assert isinstance(read_drill_order(body.encode()), DrillOrder), word


def test_the_shipped_files_can_be_aimed_as_they_are_where_nodes_can_do_what_they_ask() -> None:
    nodes = "".join(NODE.format(f"{zone}1", zone, number) for number, zone in enumerate("abc", 1))
    able = ", ".join(f'"{word}"' for word in ABLE)
    text = HEAD.replace("30s", "2m") + nodes.replace('"kill agent", "freeze forwarder", "reload"', able)
    found = targets(text)
    taken = {file.stem for file in EXPERIMENTS if _is_taken(file, found)}
    assert taken == {"freeze-agent", "freeze-forwarder", "kill-agent", "kill-forwarder", "rolling-reload"}


def _is_taken(file: Path, found: TargetList) -> bool:
    try:
        read_drill(file, found)
    except ExperimentError:
        return False
    return True
