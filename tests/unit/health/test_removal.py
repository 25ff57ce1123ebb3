"""Limited removal: what hearsay may take, how fast, and that own evidence is never limited."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from lbmesh.health.limits import REMOVAL_WINDOW_S, ZONE_WINDOW_S
from lbmesh.health.merge import Merged, Rule
from lbmesh.health.removal import Case, Limited, RemovalBudget, ZoneGuard, limit_removal
from lbmesh.model.health import Availability

UP, UNKNOWN, DOWN = Availability.UP, Availability.UNKNOWN, Availability.DOWN

GOOD = Merged(UP, Rule.SAME_ZONE_MAJORITY, "ok", ups=3)
SEEN_DEAD = Merged(DOWN, Rule.OWN_EVIDENCE, "refused")
SAID_DEAD = Merged(DOWN, Rule.SAME_ZONE_MAJORITY, "refused", downs=3)
DISPUTED = Merged(DOWN, Rule.SAME_ZONE_MAJORITY, "refused", ups=3, downs=3)
DOUBTED = Merged(UNKNOWN, Rule.DOUBT, "refused", ups=2, downs=1)


def case(merged: Merged, now_is: Availability = UP, zone: str = "zone-a") -> Case:
    return Case(zone, now_is, merged)


class Limits:
    """One service in use: what is decided is what it has from then on."""

    def __init__(self, *cases: Case) -> None:
        self.cases = list(cases)
        self.budget, self.guard = RemovalBudget(), ZoneGuard()

    def at(self, now: float) -> list[Limited]:
        limited = limit_removal(self.cases, len(self.cases), self.budget, self.guard, now)
        self.cases = [
            replace(one, now_is=found.final.availability) for one, found in zip(self.cases, limited, strict=True)
        ]
        return list(limited)

    def letters(self, now: float) -> str:
        return "".join({UP: "U", UNKNOWN: "?", DOWN: "D"}[one.final.availability] for one in self.at(now))


def test_a_fifth_of_a_service_goes_in_ten_seconds() -> None:
    limits = Limits(*[case(SAID_DEAD)] * 4, *[case(GOOD)] * 6)
    assert limits.letters(0.0) == "DDUUUUUUUU"
    (kept, *_) = limits.at(1.0)[2:]
    assert (kept.final.rule, kept.until_s) == (Rule.REMOVAL_LIMIT, REMOVAL_WINDOW_S)
    assert limits.letters(REMOVAL_WINDOW_S - 0.1) == "DDUUUUUUUU"
    assert limits.letters(REMOVAL_WINDOW_S) == "DDDDUUUUUU"


def test_one_may_always_go() -> None:
    assert Limits(case(SAID_DEAD), case(GOOD)).letters(0.0) == "DU"


def test_doubt_counts_as_removal_and_is_not_counted_again() -> None:
    limits = Limits(case(DOUBTED), case(DOUBTED), case(GOOD), case(GOOD), case(GOOD))
    assert limits.letters(0.0) == "?UUUU"
    limits.cases[0] = replace(limits.cases[0], merged=SAID_DEAD)
    assert limits.letters(1.0) == "DUUUU"
    assert limits.letters(10.0) == "D?UUU"


def test_what_was_never_in_use_is_believed_dead_at_once() -> None:
    limits = Limits(*[case(SAID_DEAD, UNKNOWN)] * 5, *[case(GOOD, UNKNOWN)] * 5)
    assert limits.letters(0.0) == "DDDDDUUUUU"


def test_hearsay_takes_no_more_than_half() -> None:
    limits = Limits(case(SEEN_DEAD), case(SEEN_DEAD), case(DISPUTED), case(GOOD))
    assert limits.letters(0.0) == "DDUU"
    assert limits.at(99.0)[2].final.rule is Rule.FAIL_OPEN
    assert Limits(case(SEEN_DEAD), case(SEEN_DEAD), case(SAID_DEAD), case(GOOD)).letters(0.0) == "DD?U", (
        "nobody doubts it"
    )
    one_voice = replace(SAID_DEAD, downs=1)
    assert Limits(case(SEEN_DEAD), case(SEEN_DEAD), case(one_voice), case(GOOD)).letters(0.0) == "DDUU"


def test_of_what_somebody_reaches_only_one_zone_goes_in_ten_minutes() -> None:
    limits = Limits(
        case(DISPUTED, zone="zone-a"), case(DISPUTED, zone="zone-a"), case(DISPUTED, zone="zone-b"), *[case(GOOD)] * 7
    )
    assert limits.letters(0.0) == "DDUUUUUUUU"
    found = limits.at(20.0)[2]
    assert (found.final.rule, found.until_s) == (Rule.ONE_ZONE_AT_A_TIME, ZONE_WINDOW_S)
    assert limits.letters(ZONE_WINDOW_S) == "DDDUUUUUUU"


def test_what_nobody_reaches_goes_from_every_zone() -> None:
    limits = Limits(case(SAID_DEAD, zone="zone-a"), case(SAID_DEAD, zone="zone-b"), *[case(GOOD)] * 8)
    assert limits.letters(0.0) == "DDUUUUUUUU"


def test_the_guard_is_one_for_all_services() -> None:
    one, other = Limits(case(DISPUTED, zone="zone-a"), case(GOOD)), Limits(case(DISPUTED, zone="zone-b"), case(GOOD))
    other.guard = one.guard
    assert (one.letters(0.0), other.letters(0.0)) == ("DU", "UU")


merged_words = st.builds(
    Merged,
    st.sampled_from(Availability),
    st.sampled_from(Rule),
    st.just("said"),
    ups=st.integers(0, 3),
    downs=st.integers(0, 3),
)
cases_lists = st.lists(
    st.builds(Case, st.sampled_from(["a", "b", "c"]), st.sampled_from(Availability), merged_words), max_size=12
)


@given(cases_lists, st.floats(0, 1e4))
def test_hearsay_never_empties_a_service_and_own_evidence_always_counts(cases: list[Case], now: float) -> None:
    limited = limit_removal(cases, len(cases), RemovalBudget(), ZoneGuard(), now)
    seen_dead = sum(one.merged.availability is DOWN and not one.merged.is_removal for one in cases)
    assert sum(one.final.availability is DOWN for one in limited) <= max(seen_dead, len(cases) // 2)
    for before, after in zip(cases, limited, strict=True):
        if before.merged.is_removal:
            assert after.final == before.merged or after.final.availability is not DOWN
        else:
            assert after.final == before.merged


@given(cases_lists, st.lists(st.floats(0, 4), max_size=20))
def test_the_speed_is_bounded_in_every_window(cases: list[Case], steps: list[float]) -> None:
    limits, now, taken = Limits(*cases), 0.0, []
    for step_s in steps:
        now += step_s
        before = [one.now_is for one in limits.cases]
        for was, is_now, one in zip(before, limits.at(now), cases, strict=True):
            if was is UP and is_now.final.availability is not UP and is_now.final.rule is not Rule.FAIL_OPEN:
                taken += [now] * one.merged.is_removal
        limits.cases = [replace(one, now_is=UP) for one in limits.cases]
    most = max(1, len(cases) // 5)
    assert all(sum(0 <= later - at_s < REMOVAL_WINDOW_S for later in taken) <= most for at_s in taken)
