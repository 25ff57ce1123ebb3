"""The tally against one made by hand, request by request."""

from collections import Counter
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbmesh_chaos.load.logs import ClientRow, ExecutedRow, StarvedRow
from lbmesh_chaos.load.order import Order
from lbmesh_chaos.load.tallying import ClientLog, ReplicaLog, tally, verdict_of
from lbmesh_chaos.load.template import RequestTemplate
from lbmesh_chaos.model.flow import Flow, Kind, Method
from lbmesh_chaos.model.tally import (
    CLIENT_DIED,
    CLOSED,
    CUT_SHORT,
    FOREIGN_ANSWER,
    NO_ROOM,
    OK,
    REFUSED,
    RESET,
    SILENT,
    Tally,
    Verdict,
)

WORDS = (OK, REFUSED, NO_ROOM, RESET, CLOSED, SILENT, CUT_SHORT, "500", "502", "503 UH", "504 UT")


@dataclass(frozen=True)
class Lived:
    """One request's life. `ends`: False when the client died before."""

    word: str
    ends: bool
    took_s: float
    by: tuple[int, ...]


LIVES = st.lists(
    st.builds(
        Lived,
        word=st.sampled_from(WORDS),
        ends=st.booleans() | st.just(True),
        took_s=st.floats(0.001, 3.0),
        by=st.lists(st.integers(0, 2), max_size=3).map(tuple),
    ),
    min_size=10,
    max_size=10,
)
STARVED = st.lists(st.tuples(st.floats(0, 10), st.floats(0.05, 2)), max_size=3)


def _order(method: Method) -> Order:
    return Order("c", (Flow("f", "a", Kind.KEPT, method, rate=1.0),), ("10.1.1.1:80",), 0.0, 10.0, "c.log")


def _logs(method: Method, lives: list[Lived], starved: list[tuple[float, float]]) -> tuple[ClientLog, list[ReplicaLog]]:
    order = _order(method)
    due = order.due_s(0)
    rows: list[ClientRow | StarvedRow] = [
        ClientRow(0, at, None if life.word in (REFUSED, NO_ROOM) else due[at], due[at] + life.took_s, life.word, 1)
        for at, life in enumerate(lives)
        if life.ends
    ]
    rows += [StarvedRow(start, start + length) for start, length in starved]
    replicas = [
        ReplicaLog(
            f"r{replica}",
            "a",
            [
                ExecutedRow(f"f-{at}", due[at], "10.1.1.1", "")
                for at, life in enumerate(lives)
                for by in life.by
                if by == replica
            ],
        )
        for replica in range(3)
    ]
    return ClientLog(order, rows), replicas


def _by_hand(method: Method, life: Lived, due_s: float, starved: list[tuple[float, float]]) -> Verdict:
    if not life.ends:
        return Verdict.VOID
    if life.word == OK:
        return Verdict.OK
    if any(start <= due_s + life.took_s and due_s <= start + length for start, length in starved):
        return Verdict.VOID
    if method is Method.GET or life.word in (REFUSED, NO_ROOM, CUT_SHORT, "500", "503 UH"):
        return Verdict.LOST
    return Verdict.UNKNOWN


@pytest.mark.parametrize("method", list(Method))
@given(lives=LIVES, starved=STARVED)
def test_every_request_counts_as_what_it_was(
    method: Method, lives: list[Lived], starved: list[tuple[float, float]]
) -> None:
    client, replicas = _logs(method, lives, starved)
    due = client.order.due_s(0)
    made = tally([client], replicas)
    (fates,) = made.fates
    expected = [_by_hand(method, life, due[at], starved) for at, life in enumerate(lives)]
    assert list(fates.verdicts) == expected
    assert list(fates.executions) == [len(life.by) for life in lives]
    twice = sum(len(life.by) > 1 for life in lives)
    assert (made.duplicated.count, made.replayed.count) == ((twice, 0) if method is Method.POST else (0, twice))
    assert made.unexecuted.count == sum(
        verdict is Verdict.OK and not life.by for verdict, life in zip(expected, lives, strict=True)
    )
    unsent = Counter(len(life.by) for life in lives if life.ends and life.word in (REFUSED, NO_ROOM))
    assert made.strays.count == sum(times * many for times, many in unsent.items())


def test_who_carried_a_request_out_twice_is_named() -> None:
    lives = [Lived(OK, True, 0.1, (2, 0) if at == 3 else (1,)) for at in range(10)]
    client, replicas = _logs(Method.POST, lives, [])
    (found,) = tally([client], replicas).duplicated.first
    assert (found.request, found.what) == ("f-3", "carried out 2 times: r0, r2")


def test_an_idempotent_request_lost_through_the_mesh_client_is_named_with_its_words() -> None:
    order = replace(_order(Method.GET), flows=(Flow("f", "a", Kind.MESH_SYNC, Method.GET, rate=1.0),))
    due_s = order.due_s(0)
    ended = [
        ClientRow(0, at, due_s[at], due_s[at] + 0.1, "reset: by 10.1.1.1" if at == 3 else OK, 1) for at in range(10)
    ]
    done = [ExecutedRow(f"f-{number}", due_s[number], "10.1.1.1", "") for number in range(10)]
    (found,) = tally([ClientLog(order, ended)], [ReplicaLog("r", "a", done)]).mesh_lost.first
    assert (found.request, found.what) == ("f-3", "due at 3.000 s, reset: by 10.1.1.1")


def test_what_nobody_asked_for_is_a_stray() -> None:
    client, _ = _logs(Method.GET, [Lived(OK, True, 0.1, ())] * 10, [])
    rows = [ExecutedRow(identity, 1.0, "p", "") for identity in ("f-10", "g-1", "f-x", "nonsense")]
    assert tally([client], [ReplicaLog("r", "a", rows)]).strays.count == 4


def test_what_an_earlier_drill_had_still_on_its_way_is_none_of_this_ones() -> None:
    """A lab may have several drills one after the other, of the same flows."""
    order = replace(_order(Method.POST), flows=(Flow("f", "a", Kind.KEPT, Method.POST, rate=1.0, run="5000"),))
    ended = [ClientRow(0, number, due_s, due_s + 0.1, OK, 1) for number, due_s in enumerate(order.due_s(0))]
    ours = [ExecutedRow(f"f-5000-{number}", float(number), "10.1.1.1", "") for number in range(10)]
    late, strange = ExecutedRow("f-4000-3", 3.0, "10.1.1.1", ""), ExecutedRow("g-4000-3", 3.0, "10.1.1.1", "")
    counted = tally([ClientLog(order, ended)], [ReplicaLog("r", "a", [*ours, late, strange])])
    assert (counted.duplicated.count, counted.unexecuted.count) == (0, 0)
    assert [one.request for one in counted.strays.first] == ["g-4000-3"]


def test_two_flows_of_one_name_are_refused() -> None:
    client, _ = _logs(Method.GET, [Lived(OK, True, 0.1, ())] * 10, [])
    with pytest.raises(ValueError, match='two flows are called "f"'):
        tally([client, client], [])


@pytest.mark.parametrize(
    ("word", "sent_s", "verdict"),
    [(RESET, None, Verdict.LOST), (RESET, 1.0, Verdict.UNKNOWN), (CLIENT_DIED, 1.0, Verdict.VOID)],
)
def test_of_what_was_never_sent_the_outcome_is_known(word: str, sent_s: float | None, verdict: Verdict) -> None:
    assert verdict_of(word, Method.POST, sent_s) is verdict


def _told(method: Method, *rows: tuple[str, int]) -> Tally:
    """Of a service without logs: a word and what its answer told, for each request."""
    order = replace(_order(method), template=RequestTemplate("/", "/", "/", echo_header="X-Drill-Id"))
    due_s = order.due_s(0)
    ended = [ClientRow(0, at, due_s[at], due_s[at] + 0.1, word, 1, told) for at, (word, told) in enumerate(rows)]
    return tally([ClientLog(replace(order, seconds=float(len(rows))), ended)], [])


@pytest.mark.parametrize("method", list(Method))
def test_where_no_replica_logs_executions_are_what_answers_told(method: Method) -> None:
    made = _told(method, (OK, 1), (OK, 2), (OK, 0), ("503", 0))
    assert list(made.fates[0].executions) == [1, 2, 0, 0]
    assert made.unexecuted.count == made.strays.count == 0
    found = made.duplicated if method is Method.POST else made.replayed
    (one,) = found.first
    assert (found.count, one.request, one.what) == (1, "f-1", "carried out 2 times, by its answer")


def test_an_answer_with_the_id_of_another_request_is_mixed_up_and_tells_a_post_nothing() -> None:
    for method, verdict in ((Method.GET, Verdict.LOST), (Method.POST, Verdict.UNKNOWN)):
        made = _told(method, (f"{FOREIGN_ANSWER}: f-9", 0))
        assert list(made.fates[0].verdicts) == [verdict]
        assert made.mixed_up.first[0].what == "the answer has what belongs to f-9"


def test_of_a_load_that_was_ended_early_nothing_counts_that_was_due_later() -> None:
    rows = [ClientRow(0, at, float(at), at + 0.1, OK, 1, 1) for at in range(5)]
    order = replace(_order(Method.GET), seconds=3.0, template=RequestTemplate("/"))
    (fates,) = tally([ClientLog(order, rows)], []).fates
    assert list(fates.verdicts) == [Verdict.OK] * 3
