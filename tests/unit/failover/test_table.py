"""Who gets into the table of partners."""

from dataclasses import replace

from lbmesh.failover.table import judges_of, partner_table
from tests.support.heartbeats import RING, station

OWN, OTHER = station("lb-a", "zone-a"), station("lb-b", "zone-b")


def test_who_says_this_nodes_own_session_is_left_out() -> None:
    copied = replace(station("lb-c", "zone-c"), session=OWN.session)
    rings = dict.fromkeys(("lb-b", "lb-c"), RING)
    table = partner_table(OWN, [OTHER, copied], rings)
    assert [partner.name for partner in table] == ["lb-b"]
    assert table == partner_table(OWN, [OTHER], rings)


def test_who_judges_this_node_knows_it_by_the_same_plan() -> None:
    stations = [station(f"lb-{number}", f"zone-{number % 3}") for number in range(12)]
    rings = dict.fromkeys((one.name for one in stations), RING)
    for own in stations:
        others = [one for one in stations if one is not own]
        judges = judges_of(own, others)
        assert judges
        for other in others:
            table = partner_table(other, [one for one in stations if one is not other], rings)
            said = next((partner.judges for partner in table if partner.name == own.name), ())
            assert set(said) == (set(judges) if other.name in judges else set())
