"""An experiment as the Chaos Toolkit carries it out for a drill."""

import os
import signal
import time

from lbmesh_chaos.drill.method import carry_out, with_pauses_of_their_own


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


def test_what_is_interrupted_in_an_action_makes_no_pause() -> None:
    method = [{**INTERRUPTED, "pauses": {"after": 100_000}}]
    hypothesis = {"title": "nothing is asked", "probes": list[object]()}
    ran = carry_out({"title": "a", "description": "b", "steady-state-hypothesis": hypothesis, "method": method})
    assert ran.aborted == "the experiment was interrupted"
