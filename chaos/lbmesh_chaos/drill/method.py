"""An experiment is carried out by the Chaos Toolkit; what came of it, in our words."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from chaoslib.exceptions import ChaosException
from chaoslib.experiment import run_experiment

from lbmesh_chaos.toolkit.session import Session
from lbmesh_chaos.toolkit.target import RefusedError


@dataclass(frozen=True, slots=True)
class Ran:
    """How the experiment ended. `aborted`: as in Outcome."""

    aborted: str = ""
    is_steady: bool | None = None
    why_not: str = ""


def with_pauses_of_their_own(method: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The same with each pause as an activity: the Chaos Toolkit (1.44) makes an activity's own pause even when Ctrl-C
    has ended the activity, and only then rolls back. What runs in the background pauses there, and stays as it is.
    """
    for activity in method:
        pauses = activity.get("pauses", {})
        if activity.get("background") or not all(isinstance(one, int | float) for one in pauses.values()):
            yield activity
            continue
        if "before" in pauses:
            yield _pause(pauses["before"])
        yield {key: value for key, value in activity.items() if key != "pauses"}
        if "after" in pauses:
            yield _pause(pauses["after"])


def _pause(seconds: float) -> dict[str, Any]:
    provider = {"type": "python", "module": __name__, "func": "pause", "arguments": {"seconds": seconds}}
    return {"type": "action", "name": f"pause for {seconds:g} s", "provider": provider}


def pause(seconds: float) -> None:
    """Let time pass."""
    time.sleep(seconds)


def carry_out(experiment: dict[str, Any], now: Session) -> Ran:
    """Run it to its end, in a session that is open."""
    method = list(with_pauses_of_their_own(experiment.get("method", ())))
    try:
        journal: dict[str, Any] = run_experiment({**experiment, "method": method})
    except ChaosException as error:
        return Ran(aborted=str(error))
    if journal["status"] in ("interrupted", "aborted"):
        return Ran(aborted=f"the experiment was {journal['status']}")
    states = [journal["steady_states"]["before"], journal["steady_states"]["after"]]
    failed = [
        f"{one['activity']['name']}: {one.get('exception', [one['status']])[-1]}".strip()
        for part in ("run", "rollbacks")
        for one in journal[part]
        if one["status"] != "succeeded"
    ]
    if failed:
        return Ran(aborted="; ".join(failed))
    looked_at = [one for one in states if one is not None]
    unmet = [
        probe["activity"]["name"]
        for state in looked_at
        for probe in state["probes"]
        if not probe.get("tolerance_met", False)
    ]
    if unmet:
        return Ran(is_steady=False, why_not="; ".join([f"not met: {', '.join(unmet)}", *now.unmet]))
    if len(looked_at) < len(states):
        return Ran(is_steady=False if looked_at else None, why_not="it was not looked at")
    return Ran(is_steady=True)


def healed(now: Session) -> tuple[str, ...]:
    """Undo what the experiment left standing; what is not as it was."""
    try:
        now.heal_all()
        return now.target.residue()
    except RefusedError as error:
        return (str(error),)
