from tests.bench.figures import figures_of
from tests.bench.rounds import Sample


def _sample(variant: str, number: int, cpu_us: float, invalid: str = "") -> Sample:
    return Sample("same-32", variant, number, cpu_us, cpu_us, 1.0, 0.0, 1000.0, 100, 200, invalid)


def test_a_ratio_is_the_median_of_the_rounds_own_ratios() -> None:
    samples = [
        *(_sample("ours", number, cost) for number, cost in enumerate((20.0, 60.0, 22.0))),
        *(_sample("theirs", number, cost) for number, cost in enumerate((10.0, 40.0, 20.0))),
    ]
    ours, theirs = figures_of(samples)
    assert (ours.variant, ours.cpu_us, ours.low_us, ours.high_us) == ("ours", 22.0, 20.0, 60.0)
    assert ours.ratios == {"ours": 1.0, "theirs": 1.5}
    assert theirs.rounds == 3


def test_an_invalid_sample_counts_nowhere() -> None:
    samples = [
        _sample("ours", 0, 20.0),
        _sample("ours", 1, 1.0, "errors: 1 read"),
        _sample("theirs", 1, 10.0),
    ]
    ours, theirs = figures_of(samples)
    assert (ours.cpu_us, ours.rounds) == (20.0, 1)
    assert theirs.ratios == {"theirs": 1.0}


def test_a_proxy_without_one_valid_round_has_no_figure() -> None:
    assert figures_of([_sample("ours", 0, 20.0, "errors: 1 read")]) == ()
