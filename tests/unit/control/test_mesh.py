"""What gossip's rows are to the plane."""

import pytest

from lbmesh.control.heartbeat import STATION_KEY, station_value
from lbmesh.control.mesh import Mesh
from lbmesh.control.zone_traffic import Peer
from lbmesh.failover.datagram import SESSION_BYTES
from lbmesh.failover.table import Station
from lbmesh.gossip.codec import encode
from lbmesh.gossip.messages import Rows, WireRow
from lbmesh.model.address import Address
from lbmesh.routing.locality import Ingress
from tests.unit.gossip.test_core import NOW, THERE, identity, met, signed, stranger

SESSION, OTHER_SESSION = b"s" * SESSION_BYTES, b"o" * SESSION_BYTES


def saying(name: str, session: bytes, sequence: int = 9) -> bytes:
    """A member's word of where its heartbeat is reached."""
    who = identity(name, secret=b"3" * 32 if name == "third" else b"")
    own = Station(name, who.zone, Address("10.0.1.1", 7947), session, Address("10.0.1.1", 80))
    row = signed(who, sequence, station_value(own), STATION_KEY)
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


def test_what_a_peer_says_of_its_traffic_counts_while_it_lives() -> None:
    gossip, sealer = met()
    mesh = Mesh("here", gossip)
    who = identity("there")
    row = WireRow("ingress:0", 9, b'{"shop":[9,{}]}')
    gossip.receive(NOW + 0.1, THERE, sealer.seal(1, encode(Rows("there", who.incarnation, 0, 0, 0, (row,)))))
    assert mesh.peers() == (Peer(who.zone, {"shop": Ingress(1.0, {})}),)
    now = NOW + 0.1
    while mesh.peers():
        now = max(now + 0.05, gossip.next_deadline())
        mesh.tick(now)
        assert now < NOW + 60
    assert "there" not in mesh.trusted()
