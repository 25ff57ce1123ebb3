"""Leases that are not begun: where all forwarders hang, nothing is to be answered for."""

from typing import cast

from lbmesh.control.processes import ControlMessage, ExtendLease, HoldLease, LeaseAnswer
from lbmesh.sentinel.leases import Leases
from lbmesh.sentinel.log import LogWriter


def test_no_lease_begins_while_all_forwarders_hang() -> None:
    said: list[ControlMessage] = []
    leases = Leases(tell_agent=said.append, hangs=lambda _: True, log=cast("LogWriter", None))
    leases.hold(HoldLease("bgp", 1, float("inf"), 5))
    assert said == [LeaseAnswer(5, "all forwarders of this node hang")]
    assert leases.next_deadline() == float("inf")
    leases.close()


def test_where_there_is_no_lease_none_is_extended() -> None:
    said: list[ControlMessage] = []
    leases = Leases(tell_agent=said.append, hangs=lambda _: False, log=cast("LogWriter", None))
    leases.extend(ExtendLease("bgp", 1, float("inf")))
    assert said == []
    assert leases.next_deadline() == float("inf")
    leases.close()
