import pytest

from tests.bench.load import Window
from tests.bench.rounds import objection


def _window(requests: int, **errors: int) -> Window:
    return Window(requests, 3.0, 100, 200, errors)


def test_a_clean_window_counts() -> None:
    assert objection(_window(1000), answered_by_origins=1032) == ""


@pytest.mark.parametrize(
    ("window", "answered", "reason"),
    [
        (_window(1000, status=3, read=1), 1000, "errors: 3 status, 1 read"),
        (_window(0), 0, "not one request was answered"),
        (_window(1000), 900, "1000 answers, but the origins gave only 900"),
    ],
)
def test_a_window_with_anything_wrong_does_not_count(window: Window, answered: int, reason: str) -> None:
    assert objection(window, answered) == reason
