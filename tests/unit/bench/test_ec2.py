"""The benchmark of takeovers by EC2's API: its faults and its table."""

from tests.bench.ec2 import SCENARIOS, Taken, table


def test_a_row_has_the_median_and_the_worst() -> None:
    rounds = [Taken(2900.0, 3000.0, 3100.0, 6), Taken(2800.0, 9000.0, 9100.0, 15), Taken(3000.4, 3200.0, 3300.0, 7)]
    assert table([("killed", rounds)]).splitlines()[-1] == "| killed | 3 | 2900, 3000 | 3200, 9000 | 3300, 9100 | 7 |"


def test_a_lie_is_told_once_in_each_round() -> None:
    lies = next(one for one in SCENARIOS if "lies" in one.name)
    for _ in range(2):
        fault = lies.fault()
        said = [fault({"Action": action}) for action in ("CreateTags", "AssociateAddress", "AssociateAddress")]
        assert [one is not None for one in said] == [False, True, False]


def test_only_the_first_calls_of_a_round_fail() -> None:
    fails = next(one for one in SCENARIOS if "503" in one.name)
    fault = fails.fault()
    first = fault({"Action": "DescribeAddresses"})
    assert first is not None
    assert first.status == 503
