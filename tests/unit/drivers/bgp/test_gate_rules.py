"""The gate's rules and its lease: every port of BGP and BFD, in a table of its own."""

from lbmesh.drivers.bgp.gate_rules import NO_RULES, RULE_COUNT, RULES
from lbmesh.drivers.kernel import lease_elements
from lbmesh.drivers.kernel.lease_places import BGP_LEASE, BGP_PORTS, BGP_TABLE
from lbmesh.drivers.kernel.netlink import Message, answers


def test_each_port_needs_the_lease() -> None:
    rules = [line for line in RULES.splitlines() if line.startswith("add rule")]
    assert len(rules) == RULE_COUNT
    assert all(line.endswith("!= @lease drop") for line in rules)
    assert all(str(port) in RULES for port in BGP_PORTS)
    assert NO_RULES.splitlines()[-1] == f"delete table inet {BGP_TABLE}"


def test_a_lease_that_runs_is_not_touched_by_the_rules() -> None:
    assert "flush set" not in RULES
    assert "flush ruleset" not in RULES


def test_the_lease_is_an_element_for_each_port_in_one_transaction() -> None:
    batch = lease_elements.renew([(BGP_LEASE, 7)], 0.3, 9)
    said = [one for one in answers(batch) if isinstance(one, Message)]
    assert [one.kind for one in said] == [0x10, *([0xA0E] * len(BGP_PORTS)), *([0xA0C] * len(BGP_PORTS)), 0x11]
    assert all(BGP_TABLE.encode() in one.body for one in said[1:-1])
    for port in BGP_PORTS:
        assert sum(port.to_bytes(2, "big") in one.body for one in said[1:-1]) >= 2
    assert lease_elements.epoch_of(said[-2]) == 7
