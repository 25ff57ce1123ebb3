"""Opinions as rows: they come back, fit gossip's bounds, and a hostile row is no opinion."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbmesh.control.opinions import KEY_BYTES_MAX, opinion_key, opinion_value, parse_opinion, parse_replica
from lbmesh.gossip import limits
from lbmesh.model.address import Address
from lbmesh.model.health import Opinion
from lbmesh.model.service import ReplicaId

REPLICA = ReplicaId("shop", Address("2001:db8::1", 80))


@given(st.booleans(), st.text())
def test_an_opinion_comes_back_within_gossips_bounds(up: bool, reason: str) -> None:
    said = Opinion("lb-a", "zone-a", REPLICA, up, 1.0, reason)
    key, value = opinion_key(REPLICA), opinion_value(said)
    assert key
    assert len(value) <= limits.VALUE_BYTES_MAX
    assert parse_replica(key) == REPLICA
    heard = parse_opinion(REPLICA, value, observer="lb-a", zone="zone-a", at_s=7.0)
    assert heard
    assert (heard.up, heard.at_s) == (up, 7.0)
    assert reason.startswith(heard.reason)


def test_a_replica_with_a_name_too_long_for_gossip_is_not_shared() -> None:
    assert KEY_BYTES_MAX == limits.KEY_BYTES_MAX
    assert opinion_key(ReplicaId("shop", Address("x" * 250, 80))) is None


@pytest.mark.parametrize("key", ["opinion:shop", "opinion:shop/", "opinion:shop/10.0.0.1", "load:shop/10.0.0.1:80", ""])
def test_other_keys_are_no_opinions(key: str) -> None:
    assert parse_replica(key) is None


@given(st.binary(max_size=limits.VALUE_BYTES_MAX))
@pytest.mark.parametrize("prefix", [b"", b"[" * 400, b'{"up":'])
def test_any_value_is_survived(prefix: bytes, value: bytes) -> None:
    heard = parse_opinion(REPLICA, prefix + value, observer="lb-a", zone="zone-a", at_s=0.0)
    assert heard is None or isinstance(heard.up, bool)


@pytest.mark.parametrize("value", [b'{"up":1,"why":""}', b'{"up":true}', b'{"up":true,"why":3}', b"true", b"null"])
def test_a_row_of_another_shape_is_no_opinion(value: bytes) -> None:
    assert parse_opinion(REPLICA, value, observer="lb-a", zone="zone-a", at_s=0.0) is None
