"""A View survives the link, whatever came before it."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbmesh.control.lines import LINE_BYTES_MAX
from lbmesh.control.link import decode_message
from lbmesh.control.view_codec import REPLICAS_PER_LINE, ViewDecoder, ViewEncoder, encode_view
from lbmesh.model.address import Address
from lbmesh.model.health import Availability
from lbmesh.model.limits import ForwarderLimits
from lbmesh.model.route import Route, WeightedService
from lbmesh.model.service import Replica
from lbmesh.model.view import ReplicaView, ServiceView, View, ViewVersion, ZoneShare
from tests.support.route_rules import conditions, route_rules
from tests.support.settings import listener_policies, provenance_policies, traffic_policies

names = st.text(max_size=12)
seconds = st.floats(min_value=0, max_value=1e6)
addresses = st.builds(Address, names, st.integers(0, 65535))
replica_views = st.builds(
    ReplicaView,
    st.builds(Replica, addresses, names, st.integers(1, 100)),
    st.sampled_from(Availability),
    names,
    st.none() | seconds,
)
services = st.builds(
    ServiceView,
    name=names,
    replicas=st.lists(replica_views, max_size=4).map(tuple),
    traffic=traffic_policies(),
    zones=st.lists(st.builds(ZoneShare, names, st.floats(0, 1), st.floats(0, 1)), max_size=3).map(tuple),
)
routes = st.builds(
    Route,
    hosts=st.lists(names, max_size=3).map(tuple),
    paths=st.lists(names, max_size=3).map(tuple),
    services=st.lists(st.builds(WeightedService, names, st.integers(0, 100)), max_size=3).map(tuple),
    exact_paths=st.lists(names, max_size=3).map(tuple),
    conditions=st.none() | conditions,
    rules=st.none() | route_rules(["a"], 2),
)
views = st.builds(
    View,
    version=st.builds(ViewVersion, st.integers(0, 2**40), st.integers(0, 2**40)),
    node=names,
    zone=names,
    routes=st.lists(routes, max_size=3).map(tuple),
    services=st.lists(services, max_size=3).map(tuple),
    listeners=st.lists(listener_policies, max_size=2).map(tuple),
    limits=st.builds(ForwarderLimits, seconds, seconds, st.integers(1, 10**6), seconds, seconds, st.integers(0, 10**6)),
    provenance=provenance_policies,
)


def feed_all(decoder: ViewDecoder, lines: tuple[bytes, ...]) -> View | None:
    result = None
    for line in lines:
        assert result is None, "a View came before its last line"
        result = decoder.feed(line)
    return result


@given(views)
def test_a_view_comes_back_as_it_was(view: View) -> None:
    lines = encode_view(view)
    assert all(line.endswith(b"\n") and line.count(b"\n") == 1 for line in lines)
    assert feed_all(ViewDecoder(), lines) == view


@given(views, views, st.data())
def test_a_new_header_discards_a_half_read_view(half: View, whole: View, data: st.DataObject) -> None:
    decoder = ViewDecoder()
    lines = encode_view(half)
    feed_all(decoder, lines[: data.draw(st.integers(0, len(lines) - 1))])
    assert feed_all(decoder, encode_view(whole)) == whole


@given(views, st.data())
def test_a_lost_line_never_makes_a_smaller_view(view: View, data: st.DataObject) -> None:
    lines = encode_view(view)
    lost = data.draw(st.integers(0, len(lines) - 2))
    with pytest.raises(ValueError, match="malformed line of a View"):
        feed_all(ViewDecoder(), lines[:lost] + lines[lost + 1 :])


def test_a_large_service_is_cut_into_short_lines() -> None:
    replicas = tuple(
        ReplicaView(Replica(Address("10.0.0.1", port), "zone-a"), Availability.DOWN, "refused " * 20)
        for port in range(1, 1001)
    )
    view = View(ViewVersion(1, 1), "lb-a1", "zone-a", (), (ServiceView("shop", replicas),))
    lines = encode_view(view)
    assert len(lines) == 3 + -(-1000 // REPLICAS_PER_LINE)
    assert max(map(len, lines)) < LINE_BYTES_MAX // 10
    assert feed_all(ViewDecoder(), lines) == view


@given(views)
def test_the_link_tells_view_lines_from_messages(view: View) -> None:
    assert [decode_message(line) for line in encode_view(view)] == [None] * len(encode_view(view))


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"[]",
        b"nonsense",
        b"\xff\xfe\xfd",
        b'{"kind":"view_end","counts":[0,0,0]}',
        b'{"kind":"view_replicas","replicas":[]}',
        b'{"kind":"hello"}',
    ],
)
def test_a_malformed_line_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError, match="malformed line of a View"):
        ViewDecoder().feed(line)


def test_a_view_goes_on_after_a_malformed_line_only_with_a_new_header() -> None:
    view = View(ViewVersion(1, 1), "lb-a1", "zone-a", (), (ServiceView("shop", ()),))
    header, *rest = encode_view(view)
    decoder = ViewDecoder()
    decoder.feed(header)
    with pytest.raises(ValueError):
        decoder.feed(b'{"kind":"view_replicas","replicas":[[1]]}')
    with pytest.raises(ValueError):
        decoder.feed(rest[0])
    assert feed_all(decoder, (header, *rest)) == view


@given(views, st.data())
def test_what_a_view_shares_with_the_one_before_is_the_same_object(view: View, data: st.DataObject) -> None:
    """So a forwarder sees at a glance which services to compile anew."""
    named = replace(view, services=tuple({service.name: service for service in view.services}.values()))
    changed = data.draw(st.sampled_from(named.services)).name if named.services else None
    later = replace(
        named,
        version=ViewVersion(view.version.generation, view.version.number + 1),
        services=tuple(
            replace(service, zones=(ZoneShare("b", 0.5, 0.25),)) if service.name == changed else service
            for service in named.services
        ),
    )
    encoder, decoder = ViewEncoder(), ViewDecoder()
    first = feed_all(decoder, tuple(b"".join(encoder.pieces(named)).splitlines()))
    second = feed_all(decoder, tuple(b"".join(encoder.pieces(later)).splitlines()))
    assert (first, second) == (named, later)
    assert first is not None
    assert second is not None
    for before, after in zip(first.services, second.services, strict=True):
        assert (before is after) == (before == after)


def test_of_a_large_view_only_what_changed_is_encoded_again() -> None:
    view = View(ViewVersion(1, 1), "lb-a1", "zone-a", (), tuple(ServiceView(f"s{number}", ()) for number in range(9)))
    encoder = ViewEncoder()
    before = list(encoder.pieces(view))
    changed = replace(view, services=(*view.services[:8], ServiceView("s8", (), zones=(ZoneShare("b", 0.5, 0.5),))))
    after = list(encoder.pieces(changed))
    assert [old is new for old, new in zip(before[2:], after[2:], strict=True)] == [True] * 8 + [False, False]


def service_of(name: str, *ports: int) -> ServiceView:
    each = (ReplicaView(Replica(Address("10.0.0.1", port), "zone-a"), Availability.UP) for port in ports)
    return ServiceView(name, tuple(each))


def whole_view(number: int, *every: ServiceView, routes: tuple[Route, ...] = ()) -> View:
    return View(ViewVersion(1, number), "lb-a", "zone-a", routes, every)


def told_since(view: View, base: View | None) -> tuple[bytes, ...]:
    return tuple(b"".join(ViewEncoder().pieces(view, base)).splitlines(keepends=True))


@given(views, st.data())
def test_a_view_told_by_what_has_changed_comes_back_as_it_is(base: View, data: st.DataObject) -> None:
    kept = data.draw(st.permutations(base.services)) if data.draw(st.booleans()) else list(base.services)
    dropped = kept[data.draw(st.integers(0, len(kept))) :]
    added = data.draw(st.lists(services, max_size=2))
    view = replace(
        base,
        version=ViewVersion(base.version.generation, base.version.number + 1),
        services=(*added[:1], *dropped, *added[1:]),
        routes=base.routes if data.draw(st.booleans()) else data.draw(st.lists(routes, max_size=2).map(tuple)),
    )
    decoder = ViewDecoder()
    feed_all(decoder, encode_view(base))
    assert feed_all(decoder, told_since(view, base)) == view


def test_what_has_not_changed_costs_no_lines() -> None:
    every = [service_of(f"s{number}", 1, 2) for number in range(1000)]
    many = tuple(Route((f"s{number}.test",), ("/",), (WeightedService(f"s{number}"),)) for number in range(1000))
    base = whole_view(1, *every, routes=many)
    changed = whole_view(2, *every[:500], service_of("s500", 1), *every[501:], routes=many)
    lines = told_since(replace(changed, routes=base.routes), base)
    assert len(lines) <= 9
    decoder = ViewDecoder()
    before = feed_all(decoder, encode_view(base))
    after = feed_all(decoder, lines)
    assert before is not None
    assert after is not None
    assert all(one is other for one, other in zip(before.services, after.services, strict=True) if one.name != "s500")


def test_a_view_that_refers_to_another_than_the_last_is_refused() -> None:
    first, second = whole_view(1, service_of("a", 1)), whole_view(2, service_of("a", 1))
    third = replace(second, version=ViewVersion(1, 3))
    with pytest.raises(ValueError, match="which was not the last one"):
        feed_all(ViewDecoder(), told_since(third, second))
    decoder = ViewDecoder()
    feed_all(decoder, encode_view(first))
    with pytest.raises(ValueError, match="which was not the last one"):
        feed_all(decoder, told_since(third, second))
    assert feed_all(decoder, encode_view(third)) == third


def test_two_readers_at_different_views_are_told_right_by_one_writer() -> None:
    old, new = service_of("a", 1), service_of("a", 1, 2)
    encoder = ViewEncoder()
    one, other = encoder.pieces(whole_view(1, old)), encoder.pieces(whole_view(2, new))
    lines: tuple[list[bytes], list[bytes]] = ([], [])
    for piece, other_piece in zip(one, other, strict=True):
        lines[0].extend(piece.splitlines())
        lines[1].extend(other_piece.splitlines())
    assert feed_all(ViewDecoder(), tuple(lines[0])) == whole_view(1, old)
    assert feed_all(ViewDecoder(), tuple(lines[1])) == whole_view(2, new)
