"""An experiment as the Chaos Toolkit carries it out for a drill."""

import os
import signal
import time
from collections.abc import Iterator

import pytest

from lbmesh_chaos.drill.method import carry_out, with_pauses_of_their_own
from lbmesh_chaos.toolkit import session
from lbmesh_chaos.toolkit.session import Session
from tests.chaos.faults.worlds import three_zones
from tests.chaos.toolkit.targets import Remembering


@pytest.fixture
def heeds_interrupts() -> Iterator[None]:
    """A shell starts what is to run in the background with interrupts ignored, and all that it starts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupt() -> None:
    """As Ctrl-C within an action."""
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(1.0)


INTERRUPTED = {
    "type": "action",
    "name": "interrupted",
    "provider": {"type": "python", "module": __name__, "func": "interrupt"},
}


def test_each_pause_is_an_activity_of_its_own() -> None:
    first, second = {"name": "one", "pauses": {"before": 1, "after": 2.5}}, {"name": "two"}
    apart = {"name": "three", "background": True, "pauses": {"after": 1}}
    *parts, last = with_pauses_of_their_own([first, second, apart])
    assert [part["name"] for part in parts] == ["pause for 1 s", "one", "pause for 2.5 s", "two"]
    assert not any("pauses" in part for part in parts)
    assert last == apart


@pytest.mark.usefixtures("heeds_interrupts")
def test_what_is_interrupted_in_an_action_makes_no_pause() -> None:
    method = [{**INTERRUPTED, "pauses": {"after": 100_000}}]
    hypothesis = {"title": "nothing is asked", "probes": list[object]()}
    experiment = {"title": "a", "description": "b", "steady-state-hypothesis": hypothesis, "method": method}
    ran = carry_out(experiment, Session(Remembering(three_zones())))
    assert ran.aborted == "the experiment was interrupted"


def test_a_steady_state_that_does_not_hold_says_what_is_missing() -> None:
    provider = {"type": "python", "module": "lbmesh_chaos.toolkit.probes", "func": "mesh_is_whole"}
    probe = {"type": "probe", "name": "the mesh is whole", "tolerance": True, "provider": provider}
    hypothesis = {"title": "all is well", "probes": [probe]}
    experiment = {"title": "a", "description": "b", "steady-state-hypothesis": hypothesis, "method": list[object]()}
    now = session.opened(Session(Remembering(three_zones())))
    try:
        ran = carry_out(experiment, now)
    finally:
        session.forgotten()
    assert ran.is_steady is False
    assert "lb-a1 does not answer" in ran.why_not
