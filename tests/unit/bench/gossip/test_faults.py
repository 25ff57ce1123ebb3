"""The scripts by what they drop: who hears whom, read back from the rules."""

import re

import pytest

from tests.bench.gossip import faults
from tests.bench.gossip.namespaces import address


def dropped(scripts: dict[int, str]) -> set[tuple[int, int]]:
    """All (sender, receiver) that a rule names."""
    numbers = {address(number): number for number in range(100)}
    return {
        (numbers[sender], receiver)
        for receiver, script in scripts.items()
        for sender in re.findall(r"10\.0\.0\.\d+", script)
    }


def test_a_split_drops_exactly_what_crosses_it_both_ways() -> None:
    small = {2, 5}
    expected = {(a, b) for a in range(6) for b in range(6) if (a in small) != (b in small)}
    assert dropped(faults.split(small, 6)) == expected


@pytest.mark.parametrize(("nodes", "friends"), [(3, 1), (10, 1), (11, 2), (30, 3)])
def test_a_half_connected_node_keeps_a_tenth_and_nobody_else_is_touched(nodes: int, friends: int) -> None:
    culprit = nodes - 1
    cut = dropped(faults.half_connected(culprit, nodes))
    assert len(faults.friends_of(culprit, nodes)) == friends
    assert all(culprit in pair for pair in cut)
    strangers = nodes - 1 - friends
    assert len(cut) == 2 * strangers
    assert {(b, a) for a, b in cut} == cut


def test_loss_hits_what_the_culprits_send_and_only_by_chance() -> None:
    scripts = faults.egress_loss((8, 9), 80, 10)
    assert dropped(scripts) == {(a, b) for a in (8, 9) for b in range(10) if a != b}
    assert all("numgen random mod 100 < 80 drop" in script for script in scripts.values())


def test_rules_are_on_the_way_in_so_that_no_sender_is_told() -> None:
    scripts = [*faults.split({1}, 3).values(), *faults.half_connected(2, 3).values()]
    assert all("hook input" in script and "hook output" not in script for script in scripts)
