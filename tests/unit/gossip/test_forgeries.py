"""What a member with a valid key can make up about another, and how little comes of it."""

import pytest

from lbmesh.gossip.codec import MemberFacts, encode, encode_member
from lbmesh.gossip.identity import Incarnation, member_id, public_key_of
from lbmesh.gossip.messages import Digest, DigestEntry, Ping, Rows, WireRow
from lbmesh.gossip.notices import NoticeKind
from lbmesh.gossip.seal import Sealer
from lbmesh.model.member import MemberState
from tests.unit.gossip.test_core import (
    HERE,
    NOW,
    RING,
    THERE,
    identity,
    introduction,
    known_state,
    met,
    prove,
    said,
    signed,
    stranger,
)


def test_rows_that_it_never_wrote_are_voided_when_they_come_by() -> None:
    """Beyond a gap, so that no digest shows them."""
    gossip, sealer = met()
    gossip.publish(NOW, "row", b"mine")
    forged = Rows("here", identity("here").incarnation, 0, 0, 0, (WireRow("row", 7000, b"theirs"),))
    told = gossip.receive(NOW + 1, THERE, sealer.seal(1, encode(forged)))
    assert [notice.kind for notice in told.notices] == [NoticeKind.FORGED_ROWS]
    rows = [message for _, message in said(gossip.tick(NOW + 1.2)) if isinstance(message, Rows)]
    assert min(row.sequence for one in rows if one.owner == "here" for row in one.rows) > 7000


def test_who_is_lied_about_again_and_again_restates_its_rows_ever_more_rarely() -> None:
    gossip, sealer = met()
    tag = identity("here").incarnation.tag
    for second in range(1, 301):
        entry = DigestEntry(member_id("here"), Incarnation(gossip.epoch, tag), 2**32 - 1, 0)
        gossip.receive(NOW + second, THERE, sealer.seal(1, encode(Digest(True, 0, 0, (entry,)))))
        gossip.tick(NOW + second)
    assert 5 <= gossip.epoch - 1 <= 12


def test_of_whom_it_has_just_heard_it_takes_a_new_start_from_nobody_else() -> None:
    gossip, sealer = met()
    stranger_sealer = stranger(gossip)
    later = introduction(identity("there", epoch=2, secret=b"made up"), left=True)
    gossip.receive(NOW, THERE, sealer.seal(1, encode(Ping(1))))
    gossip.receive(NOW + 1, HERE, stranger_sealer.seal(1, later))
    assert known_state(gossip) == (MemberState.ALIVE, 1)
    gossip.receive(NOW + 30, HERE, stranger_sealer.seal(1, later))
    assert known_state(gossip) == (MemberState.LEFT, 2), "a start of one that is silent is heard of by others' word"


@pytest.mark.parametrize(("epoch", "state"), [(2**28, (MemberState.ALIVE, 2**28)), (2**30, (MemberState.LEFT, 1))])
def test_who_was_away_may_have_been_started_often_since(epoch: int, state: tuple[MemberState, int]) -> None:
    gossip, sealer = met()
    there = identity("there")
    goodbye = signed(there, 2, encode_member(MemberFacts(there.zone, there.address, public_key_of(there.secret), True)))
    gossip.receive(NOW, THERE, sealer.seal(1, encode(Rows("there", there.incarnation, 0, 0, 0, (goodbye,)))))
    assert known_state(gossip) == (MemberState.LEFT, 1)
    far = identity("there", epoch=epoch, secret=b"again")
    its_sealer = Sealer(far, RING)
    prove(gossip, its_sealer, epoch)
    gossip.receive(NOW, THERE, its_sealer.seal(epoch, introduction(far)))
    assert known_state(gossip) == state
