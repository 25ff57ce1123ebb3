"""Why something is believed: who said what, when, and which rule decided. One shape for replicas and members."""

from dataclasses import dataclass

TRANSITIONS_MAX = 16
"""How many of its last changes a subject remembers."""


@dataclass(frozen=True, slots=True)
class Said:
    """One piece of evidence. `who` said it (a node, or "this node"), from which `zone`; `what`, in words, such as
    "up: status 200"; `age_s`: seconds since it was said or last confirmed. `counts`: whether it took part in the
    decision; if not, `why_not` says why.
    """

    who: str
    zone: str
    what: str
    age_s: float
    counts: bool = True
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class Transition:
    """A change of state, `age_s` seconds ago, with the rule and the reason of that time."""

    before: str
    after: str
    age_s: float
    rule: str
    reason: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """`subject`: a replica or a member. `rule`: the short fixed name of the rule that decided, such as
    "own_evidence"; `reason`: the same in words, with the figures. `said`: all evidence, that which counts first.
    `history`: newest first. `notes`: what else bears on it, such as "held back: 3 changes in the last minute".
    """

    subject: str
    state: str
    for_s: float
    rule: str
    reason: str
    said: tuple[Said, ...] = ()
    history: tuple[Transition, ...] = ()
    notes: tuple[str, ...] = ()
