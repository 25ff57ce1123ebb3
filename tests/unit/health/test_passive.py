"""Suspicion: connections that fail weigh more than exchanges that fail; a pause forgets."""

from lbmesh.health.passive import WINDOW_S, Suspicion


def after(*reasons: str, gap_s: float = 0.1) -> Suspicion:
    suspicion = Suspicion()
    for index, reason in enumerate(reasons):
        suspicion = suspicion.after(reason, index * gap_s)
    return suspicion


def test_the_first_failed_connection_asks_for_a_probe_the_third_condemns() -> None:
    assert after("connect_refused").wants_probe
    assert not after("connect_refused", "connect_timeout").condemns
    assert after("connect_refused", "connect_timeout", "connect_failed").condemns


def test_failures_after_the_connection_weigh_a_third() -> None:
    assert not after("upstream_reset", "response_timeout").wants_probe
    assert after("upstream_reset", "response_timeout", "bad_response").wants_probe
    assert not after(*["upstream_reset"] * 8).condemns
    assert after(*["upstream_reset"] * 9).condemns


def test_what_is_the_clients_doing_weighs_nothing() -> None:
    assert after("client_closed", "overloaded", "something_new") == Suspicion()


def test_failures_among_answers_never_add_up() -> None:
    suspicion = Suspicion()
    for tenth in range(1000):
        suspicion = suspicion.after("upstream_closed", tenth / 10, after_answer=True)
        assert not suspicion.wants_probe
    assert suspicion.after("connect_refused", 100.0, after_answer=True).wants_probe


def test_a_pause_forgets() -> None:
    assert not after(*["connect_refused"] * 9, gap_s=WINDOW_S + 1).condemns
    assert after(*["connect_refused"] * 3, gap_s=WINDOW_S).condemns
