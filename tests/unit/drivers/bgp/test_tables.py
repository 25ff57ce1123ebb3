"""What is read out of BIRD's tables: transcripts of BIRD 2.0.12."""

from lbmesh.drivers.bgp import tables
from lbmesh.drivers.bgp.replies import Reply, ReplyReader
from lbmesh.drivers.bgp.tables import ProtocolRow


def reply(text: str) -> Reply:
    (read,) = ReplyReader().feed(text.encode())
    return read


def test_protocols_have_state_and_info_whatever_the_form_of_time() -> None:
    rows = tables.protocol_rows(
        reply(
            "2002-Name       Proto      Table      State  Since         Info\n"
            "1002-front_a    Static     master4    down   12:23:06.555  \n"
            " up1        BGP        ---        up     12:30:01.004  Established   \n"
            " up2        BGP        ---        start  2026-11-27 12:23:06  Active        Socket: Connection refused\n"
            " up3        BGP        ---        start  12:23:06.555  Idle          BGP Error: Established twice\n"
            "0000 \n"
        )
    )
    assert rows[0] == ProtocolRow("front_a", "Static", "down", "12:23:06.555")
    assert [row.is_static for row in rows] == [True, False, False, False]
    assert rows[1].is_established
    assert not rows[2].is_established
    assert rows[2].info.endswith("Socket: Connection refused")


def test_a_session_that_only_speaks_of_being_established_is_not() -> None:
    row = ProtocolRow("up3", "BGP", "start", "12:23:06.555  Idle          BGP Error: Established twice")
    assert not row.is_established


def test_a_route_is_known_by_the_protocol_that_brings_it() -> None:
    shown = reply(
        "1007-Table master4:\n 203.0.113.10/32      unicast [front_a 12:23:07.886] * (200)\n \tdev lo\n0000 \n"
    )
    assert tables.has_route_of(shown, "front_a")
    assert not tables.has_route_of(shown, "front")
    assert not tables.has_route_of(reply("8001 Network not found\n"), "front_a")
    assert not tables.has_route_of(reply("9001 No valid tables\n"), "front_a")


def test_a_neighbour_is_found_without_its_interface() -> None:
    shown = "1002-up1        BGP        ---        start  12:23:09.991  Idle\n1006-  BGP state:          Idle\n"
    assert tables.neighbour_of(reply(shown + "     Neighbor address: fe80::1%eth0\n0000 \n")) == "fe80::1"
    assert tables.neighbour_of(reply(shown + "0000 \n")) == ""


def test_bfd_guards_whom_its_sessions_are_up_with() -> None:
    shown = reply(
        "1020-bfd1:\n IP address                Interface  State      Since         Interval  Timeout\n"
        " 10.0.1.1                  eth0       Up         12:30:01.004    0.050    0.150\n"
        " 10.0.2.1                  eth1       Down       12:30:01.004    1.000    0.000\n0000 \n"
    )
    assert tables.guarded_by_bfd(shown) == {"10.0.1.1"}
