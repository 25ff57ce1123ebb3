"""The script for nft: all fronts or none."""

from lbmesh.drivers.vip.lease_rules import RULES, script


def test_each_front_is_in_the_sets_of_its_family() -> None:
    text = script(["fd00::100", "10.0.0.101", "10.0.0.100"])
    assert "add element arp lbmesh_fronts fronts4 { 10.0.0.100, 10.0.0.101 }" in text
    assert "add element inet lbmesh_fronts fronts6 { fd00::100 }" in text
    assert {family: text.count(f"add rule {family} ") for family in RULES} == RULES


def test_a_family_without_a_front_has_no_empty_list() -> None:
    assert "fronts6 {  }" not in script(["10.0.0.100"])
    assert "add element arp" not in script(["fd00::100"])


def test_leases_that_run_are_not_touched() -> None:
    assert "flush set arp lbmesh_fronts lease4" not in script(["10.0.0.100"])


def test_without_any_front_nothing_is_left() -> None:
    assert script([]).splitlines()[-2:] == ["delete table arp lbmesh_fronts", "delete table inet lbmesh_fronts"]
