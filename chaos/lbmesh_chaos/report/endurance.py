"""What many faults, one after the other, support: a record of each round, and the bounds over all of them. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from lbmesh_chaos.report.counts import Count, count_all
from lbmesh_chaos.report.report import Availability, Report, availability
from lbmesh_chaos.report.statistics import Cluster, Draws
from lbmesh_chaos.report.verdict import Ruling
from lbmesh_chaos.report.wording import bound, bound_over_faults, number, percent, seconds

SORTS_SHOWN = 40


@dataclass(frozen=True, slots=True)
class Round:
    """One fault with the requests around it. `mesh`: those through `lbmesh.client`; `idempotent`: of these, those that
    it promises to answer; `plain`: of all other clients. `broken`: the invariants that did not hold; `open`: why
    nothing can be said, of a round that can only be left out.
    """

    number: int
    sort: str
    text: str
    mesh: Count
    idempotent: Count
    plain: Count
    detect_s: float | None = None
    agree_s: float | None = None
    agree_up_s: float | None = None
    broken: tuple[str, ...] = ()
    open: tuple[str, ...] = ()


def round_of(number: int, sort: str, report: Report) -> Round:
    """What a round's own report comes to."""
    fates = report.outcome.tally.fates
    mesh = [one for one in fates if not one.flow.kind.is_plain]
    passage = report.passages[0] if report.passages else None
    told = report.judged.reasons
    return Round(
        number,
        sort,
        passage.fault.text if passage else "",
        count_all(mesh),
        count_all([one for one in mesh if one.flow.method.is_idempotent]),
        count_all([one for one in fates if one.flow.kind.is_plain]),
        passage.detect_s if passage else None,
        passage.agree_s if passage else None,
        passage.agree_up_s if passage else None,
        told if report.judged.ruling is Ruling.FAILED else (),
        told if report.judged.ruling is Ruling.INCONCLUSIVE else (),
    )


def to_json(one: Round) -> dict[str, Any]:
    """For a line of a file."""
    return asdict(one)


def from_json(told: dict[str, Any]) -> Round:
    """Of such a line. Raises KeyError and TypeError for one of another shape."""
    counts = {name: Count(**told[name]) for name in ("mesh", "idempotent", "plain")}
    return Round(**{**told, **counts, "broken": tuple(told["broken"]), "open": tuple(told["open"])})


@dataclass(frozen=True, slots=True)
class Population:
    """Requests of one sort of client over all rounds."""

    name: str
    count: Count
    available: Availability


@dataclass(frozen=True, slots=True)
class Endurance:
    """All rounds that can be judged, and the others. `broken`: what did not hold, with its round."""

    rounds: tuple[Round, ...]
    left_out: tuple[Round, ...]
    populations: tuple[Population, ...]
    broken: tuple[str, ...]


def endurance(rounds: Sequence[Round], rng: Draws) -> Endurance:
    """The figures, with bounds over faults."""
    judged = tuple(one for one in rounds if not one.open)
    names = {
        "idempotent through lbmesh.client": [one.idempotent for one in judged],
        "all through lbmesh.client": [one.mesh for one in judged],
        "plain clients": [one.plain for one in judged],
    }
    return Endurance(
        judged,
        tuple(one for one in rounds if one.open),
        tuple(_population(name, counts, rng) for name, counts in names.items()),
        tuple(f"round {one.number}, {one.sort}: {why}" for one in judged for why in one.broken),
    )


def _population(name: str, counts: Sequence[Count], rng: Draws) -> Population:
    total = sum(counts, Count())
    clusters = [Cluster(one.sent, one.unanswered) for one in counts]
    return Population(name, total, availability(total, clusters, rng))


def to_text(found: Endurance, wanted: int, elapsed_s: float) -> str:
    """For a terminal. `wanted`: requests through `lbmesh.client` that were to be sent. `elapsed_s`: in this session."""
    done = sum(one.mesh.sent for one in found.rounds)
    lines = [
        f"{len(found.rounds)} faults, {number(done)} of {number(wanted)} requests through lbmesh.client"
        + (f"; {seconds(elapsed_s)} in this session" if elapsed_s else ""),
    ]
    if found.left_out:
        lines.append(f"{len(found.left_out)} rounds left out, as nobody can judge them: {found.left_out[0].open[0]}")
    for one in found.populations:
        lines += [
            "",
            f"{one.name}: {_told(one.count)}; answered {percent(one.available.answered)}",
            *(f"    {says}" for says in (bound(one.available), bound_over_faults(one.available)) if says),
        ]
    lines += ["", *_by_sort(found.rounds)]
    lines += ["", *([f"✗ {line}" for line in found.broken] or ["✓ every invariant held in every round"])]
    return "\n".join(lines) + "\n"


def _told(counted: Count) -> str:
    outcomes = {"sent": counted.sent, "lost": counted.lost, "unknown": counted.unknown}
    return ", ".join(
        f"{number(many)} {what}" for what, many in {**outcomes, "wrongly twice": counted.duplicated}.items()
    )


def _by_sort(rounds: Sequence[Round]) -> Iterator[str]:
    yield f"{'fault':<30}{'times':>6}{'lost idempotent':>17}{'unanswered mesh':>17}{'plain':>8}{'worst detect':>14}"
    by_sort: dict[str, list[Round]] = {}
    for one in rounds:
        by_sort.setdefault(one.sort, []).append(one)
    ranked = sorted(by_sort.items(), key=lambda each: -sum(one.mesh.unanswered for one in each[1]))
    for sort, those in ranked[:SORTS_SHOWN]:
        idempotent = sum(one.idempotent.lost for one in those)
        mesh, plain = (sum(getattr(one, name).unanswered for one in those) for name in ("mesh", "plain"))
        detect = max((one.detect_s for one in those if one.detect_s is not None), default=None)
        yield f"{sort:<30}{len(those):>6}{idempotent:>17}{mesh:>17}{plain:>8}{seconds(detect):>14}"
