"""Whether a client was let run."""

from lbmesh_chaos.load.wakefulness import STARVED_S, Wakefulness


def test_a_loop_that_wakes_in_time_is_awake_however_long_it_meant_to_sleep() -> None:
    wakefulness = Wakefulness(10.0)
    wakefulness.sleeps_until(15.0)
    assert wakefulness.turn(15.0 + STARVED_S / 2) is None


def test_a_loop_that_wakes_too_late_saw_nothing_since_its_last_turn() -> None:
    wakefulness = Wakefulness(10.0)
    wakefulness.sleeps_until(10.02)
    assert wakefulness.turn(12.5) == (10.0, 12.5)


def test_a_turn_that_takes_too_long_is_starved_too() -> None:
    wakefulness = Wakefulness(10.0)
    assert wakefulness.turn(10.0) is None
    wakefulness.sleeps_until(9.0)  # something was due long ago
    assert wakefulness.turn(10.0 + STARVED_S * 2) == (10.0, 10.0 + STARVED_S * 2)


def test_a_request_taken_up_late_makes_the_time_since_void() -> None:
    wakefulness = Wakefulness(10.0)
    assert wakefulness.took_up(10.0, 10.0 + STARVED_S / 2) is None
    assert wakefulness.took_up(10.0, 10.0 + STARVED_S * 3) == (10.0, 10.0 + STARVED_S * 3)
