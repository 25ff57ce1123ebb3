"""An experiment is carried out by the Chaos Toolkit; what came of it, in our words."""

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


def carry_out(experiment: dict[str, Any]) -> Ran:
    """Run it to its end."""
    try:
        journal: dict[str, Any] = run_experiment(experiment)
    except ChaosException as error:
        return Ran(aborted=str(error))
    states = [journal["steady_states"]["before"], journal["steady_states"]["after"]]
    failed = [
        f"{one['activity']['name']}: {one.get('exception', [one['status']])[-1]}".strip()
        for part in ("run", "rollbacks")
        for one in journal[part]
        if one["status"] != "succeeded"
    ]
    if journal["status"] in ("interrupted", "aborted"):
        return Ran(aborted=f"the experiment was {journal['status']}")
    if failed:
        return Ran(aborted="; ".join(failed))
    if None in states:
        return Ran(is_steady=None if states == [None, None] else False, why_not="it was not looked at")
    unmet = [
        probe["activity"]["name"]
        for state in states
        for probe in state["probes"]
        if not probe.get("tolerance_met", False)
    ]
    return Ran(is_steady=not unmet, why_not=", ".join(unmet))


def healed(now: Session) -> tuple[str, ...]:
    """Undo what the experiment left standing; what is not as it was."""
    try:
        now.heal_all()
        return now.target.residue()
    except RefusedError as error:
        return (str(error),)
