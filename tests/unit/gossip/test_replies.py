"""Replies are bounded to each peer and to all, and what a mesh needs is never withheld."""

import random
from collections import Counter

import pytest

from lbmesh.gossip.limits import REPLY_PEERS_MAX
from lbmesh.gossip.replies import Replies, Reply


@pytest.mark.parametrize("reply", Reply)
def test_a_peer_that_asks_too_much_gets_its_share_and_leaves_the_others_theirs(reply: Reply) -> None:
    counters: Counter[str] = Counter()
    replies = Replies(counters)
    asked = 1000
    given = sum(replies.spend(10.0, reply, "greedy") for _ in range(asked))
    assert 1 <= given <= 40
    assert counters["replies_withheld"] == asked - given
    assert replies.spend(10.0, reply, "modest")
    later = sum(replies.spend(10.0 + 60.0, reply, "greedy") for _ in range(asked))
    assert 1 <= later <= given


@pytest.mark.parametrize("reply", Reply)
def test_many_names_together_are_bounded_and_so_is_what_is_remembered(reply: Reply) -> None:
    replies = Replies(Counter())
    given = sum(replies.spend(0.0, reply, f"name {number}") for number in range(2 * REPLY_PEERS_MAX))
    assert given <= 3000
    assert len(replies) == REPLY_PEERS_MAX
    replies.forget("name 1")


def test_ten_observers_and_a_thousand_members_that_start_at_once_are_all_answered() -> None:
    counters: Counter[str] = Counter()
    replies, rng = Replies(counters), random.Random(1)
    due = [(rng.random(), Reply.PONG, f"member {number}") for number in range(1000)]
    due += [(rng.random(), Reply.PROOF, f"member {number}") for number in range(1000)]
    due += [(rng.random(), Reply.INTRODUCTION, f"member {number}") for number in range(1000)]
    for number in range(10):
        due += [(0.2 * ping * (0.95 + 0.1 * rng.random()), Reply.PONG, f"member {number}") for ping in range(300)]
    for at_s, reply, name in sorted(due):
        assert replies.spend(at_s, reply, name)
    assert not counters


def test_time_gives_back_what_was_spent() -> None:
    replies = Replies(Counter())
    while replies.spend(0.0, Reply.ANSWER, "peer"):
        pass
    assert not replies.spend(0.1, Reply.ANSWER, "peer")
    assert replies.spend(0.3, Reply.ANSWER, "peer")


def test_what_strangers_use_up_is_not_the_members() -> None:
    replies = Replies(Counter())
    while replies.spend(0.0, Reply.STRANGERS_PONG, f"made up {len(replies)}"):
        pass
    assert replies.spend(0.0, Reply.PONG, "member")
