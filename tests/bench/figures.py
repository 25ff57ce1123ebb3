"""From samples to figures: medians, spreads, and ratios taken round by round."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from tests.bench.rounds import Sample


@dataclass(frozen=True, slots=True)
class Figure:
    """One proxy in one workload: medians over its valid rounds; `low` and `high` bound the CPU figure.

    `ratios`: by the other variant's name, the median over rounds of own CPU divided by the other's in the
    same round.
    """

    variant: str
    cpu_us: float
    low_us: float
    high_us: float
    serving_us: float
    busy: float
    requests_per_s: float
    p50_us: float
    p99_us: float
    rounds: int
    ratios: dict[str, float]


def figures_of(samples: Sequence[Sample]) -> tuple[Figure, ...]:
    """The figures of one workload, in the order in which variants first appear; invalid samples left out."""
    valid: dict[str, dict[int, Sample]] = {}
    for sample in samples:
        if not sample.invalid:
            valid.setdefault(sample.variant, {})[sample.round] = sample
    return tuple(_figure(name, valid) for name in valid)


def _figure(name: str, valid: dict[str, dict[int, Sample]]) -> Figure:
    own = list(valid[name].values())
    costs = [sample.cpu_us for sample in own]
    return Figure(
        variant=name,
        cpu_us=median(costs),
        low_us=min(costs),
        high_us=max(costs),
        serving_us=median(sample.serving_us for sample in own),
        busy=median(sample.busy for sample in own),
        requests_per_s=median(sample.requests_per_s for sample in own),
        p50_us=median(sample.p50_us for sample in own),
        p99_us=median(sample.p99_us for sample in own),
        rounds=len(own),
        ratios={other: ratio for other in valid if (ratio := _ratio(valid[name], valid[other])) is not None},
    )


def _ratio(own: dict[int, Sample], other: dict[int, Sample]) -> float | None:
    """None when no round has both."""
    shared = own.keys() & other.keys()
    return median(own[number].cpu_us / other[number].cpu_us for number in shared) if shared else None
