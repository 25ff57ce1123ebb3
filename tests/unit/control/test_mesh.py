"""What gossip's rows are to the plane."""

import pytest

from lbmesh.control.heartbeat import STATION_KEY, station_value
from lbmesh.control.mesh import Mesh
from lbmesh.failover.datagram import SESSION_BYTES
from lbmesh.failover.table import Station
from lbmesh.gossip.codec import encode
from lbmesh.gossip.messages import Rows, WireRow
from lbmesh.model.address import Address
from tests.unit.gossip.test_core import NOW, THERE, identity, met, stranger

SESSION, OTHER_SESSION = b"s" * SESSION_BYTES, b"o" * SESSION_BYTES


def saying(name: str, session: bytes, sequence: int = 9) -> bytes:
    """A member's word of where its heartbeat is reached."""
    who = identity(name, secret=b"3" * 32 if name == "third" else b"")
    own = Station(name, who.zone, Address("10.0.1.1", 7947), session, Address("10.0.1.1", 80))
    row = WireRow(STATION_KEY, sequence, station_value(own))
    return encode(Rows(name, who.incarnation, 0, 0, 0, (row,)))


@pytest.mark.parametrize("first", ["there", "third"])
def test_of_two_that_say_the_same_session_the_one_that_has_said_it_longer_counts(first: str) -> None:
    gossip, there_sealer = met()
    sealers = {"there": there_sealer, "third": stranger(gossip)}
    (second,) = sealers.keys() - {first}
    mesh = Mesh("here", gossip)
    for at_s, name in ((NOW + 0.1, first), (NOW + 0.2, second)):
        gossip.receive(at_s, THERE, sealers[name].seal(1, saying(name, SESSION)))
    assert [one.name for one in mesh.stations()] == [first]
    gossip.receive(NOW + 0.3, THERE, sealers[second].seal(1, saying(second, OTHER_SESSION, sequence=10)))
    assert {one.name for one in mesh.stations()} == {first, second}
