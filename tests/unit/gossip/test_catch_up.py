"""When a node that has just started knows what its peers know."""

import random
from heapq import heappop, heappush

from lbmesh.gossip.catch_up import CatchUp
from lbmesh.gossip.core import Gossip
from lbmesh.gossip.identity import Identity, Incarnation, KeyRing, member_id
from lbmesh.gossip.messages import ID_MAX, Digest, DigestEntry
from lbmesh.gossip.records import Records
from lbmesh.model.address import Address

OWN, THEIRS = Incarnation(2, 1), Incarnation(1, 9)
OTHER = member_id("other")


def unsigned(_incarnation: Incarnation, _key: str, _sequence: int, _body: bytes) -> bytes:
    """These records hold no rows of the gossip itself."""
    raise AssertionError


def records(floor: int = 0) -> Records:
    known = Records("here", OWN, unsigned)
    if floor:
        owner = known.owner("other", THEIRS)
        assert owner is not None
        owner.floor = floor
    return known


def whole(*entries: DigestEntry, answered: bool = False) -> Digest:
    return Digest(answered, 0, ID_MAX, entries)


def test_without_a_word_nothing_is_known() -> None:
    assert not CatchUp(records(), 10.0).is_done()


def test_a_peer_that_knows_nobody_else_is_enough() -> None:
    catch_up = CatchUp(records(), 10.0)
    catch_up.offer(whole())
    assert catch_up.is_done()


def test_what_was_offered_must_be_there() -> None:
    known = records()
    catch_up = CatchUp(known, 10.0)
    catch_up.offer(whole(DigestEntry(OTHER, THEIRS, 7, 0)))
    assert not catch_up.is_done()
    owner = known.owner("other", THEIRS)
    assert owner is not None
    owner.floor = 6
    assert not catch_up.is_done()
    owner.floor = 7
    assert catch_up.is_done()


def test_a_newer_start_of_the_owner_is_as_good_and_an_older_one_is_not() -> None:
    offer = whole(DigestEntry(OTHER, THEIRS, 7, 0))
    for incarnation, is_done in ((Incarnation(2, 0), True), (Incarnation(0, 0), False)):
        known = Records("here", OWN, unsigned)
        known.owner("other", incarnation)
        catch_up = CatchUp(known, 10.0)
        catch_up.offer(offer)
        assert catch_up.is_done() is is_done


def test_what_others_have_of_an_earlier_start_of_this_node_is_not_waited_for() -> None:
    catch_up = CatchUp(records(), 10.0)
    catch_up.offer(whole(DigestEntry(member_id("here"), Incarnation(1, 1), 50, 0)))
    assert catch_up.is_done()


def test_part_of_the_ids_is_not_all_of_them() -> None:
    catch_up = CatchUp(records(), 10.0)
    catch_up.offer(Digest(False, 0, 99, ()))
    catch_up.offer(Digest(False, 200, ID_MAX, ()))
    assert not catch_up.is_done()
    catch_up.offer(Digest(True, 0, ID_MAX, ()))
    assert not catch_up.is_done()
    catch_up.offer(Digest(False, 50, 199, ()))
    assert catch_up.is_done()


def test_it_hurries_for_a_while_only_and_never_falls_behind_again() -> None:
    catch_up = CatchUp(records(), 10.0)
    assert (catch_up.hurries(9.9), catch_up.hurries(10.0)) == (True, False)
    catch_up.offer(whole())
    assert catch_up.is_done()
    catch_up.offer(whole(DigestEntry(OTHER, THEIRS, 7, 0)))
    assert catch_up.is_done()
    assert not catch_up.hurries(0.0)


class Net:
    """Nodes whose datagrams take a millisecond."""

    def __init__(self) -> None:
        self.now = 100.0
        self.nodes: dict[Address, Gossip] = {}
        self._flying: list[tuple[float, int, Address, Address, bytes]] = []
        self._order = 0

    def add(self, number: int, epoch: int = 1) -> Gossip:
        address = Address(f"10.0.0.{number}", 7946)
        rng = random.Random(number * 1000 + epoch)
        self.nodes[address] = Gossip(
            identity=Identity(f"lb-{number}", f"zone-{number % 3}", address, epoch, rng.randbytes(32)),
            key_ring=KeyRing((b"k" * 32,)),
            seeds=(Address("10.0.0.1", 7946), Address("10.0.0.2", 7946)),
            rng=rng,
            now=self.now,
        )
        return self.nodes[address]

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            for address, gossip in self.nodes.items():
                while self._flying and self._flying[0][0] <= self.now:
                    _, _, source, target, datagram = heappop(self._flying)
                    if target in self.nodes:
                        self._send(target, self.nodes[target].receive(self.now, source, datagram).datagrams)
                if gossip.next_deadline() <= self.now:
                    self._send(address, gossip.tick(self.now).datagrams)
            self.now += 0.001

    def _send(self, source: Address, datagrams: tuple[tuple[Address, bytes], ...]) -> None:
        for target, datagram in datagrams:
            self._order += 1
            heappush(self._flying, (self.now + 0.001, self._order, source, target, datagram))


def test_a_node_that_restarts_learns_all_rows_within_a_second() -> None:
    """Three members with 200 rows each: some fifty datagrams, of which one digest's answer has eight."""
    net = Net()
    members = [net.add(number) for number in (1, 2, 3)]
    for gossip in members:
        for row in range(200):
            gossip.publish(net.now, f"opinion:shop/10.0.0.{row}:8080", b'{"up":true,"why":"status 200"}')
    net.run(12.0)
    assert [len(list(gossip.rows("opinion:"))) for gossip in members] == [600] * 3
    again = net.add(3, epoch=2)
    assert not again.caught_up()
    began_s = net.now
    while not again.caught_up() and net.now < began_s + 5.0:
        net.run(0.01)
    assert len(list(again.rows("opinion:"))) == 400
    assert net.now - began_s < 1.0
