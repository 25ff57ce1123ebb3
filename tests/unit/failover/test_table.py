"""Who gets into the table of partners."""

from dataclasses import replace

from lbmesh.failover.table import partner_table
from tests.support.heartbeats import RING, station

OWN, OTHER = station("lb-a", "zone-a"), station("lb-b", "zone-b")


def test_who_says_this_nodes_own_session_is_left_out() -> None:
    copied = replace(station("lb-c", "zone-c"), session=OWN.session)
    rings = dict.fromkeys(("lb-b", "lb-c"), RING)
    table = partner_table(OWN, [OTHER, copied], rings)
    assert [partner.name for partner in table] == ["lb-b"]
    assert table == partner_table(OWN, [OTHER], rings)
