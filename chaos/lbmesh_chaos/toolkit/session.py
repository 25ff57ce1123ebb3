"""The one target that this process's actions and probes are aimed at: the control opens it, before the first of them.

The Chaos Toolkit calls actions as plain functions; what they share has to be found somewhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lbmesh_chaos.faults.order import Order, parse_order
from lbmesh_chaos.toolkit.target import RefusedError, Target


@dataclass(slots=True, eq=False)
class Session:
    """`seed`: of what the faults draw. `orders`: all that were done, by their labels. `residue`: what undoing left.
    `unmet`: why probes said no.
    """

    target: Target
    seed: int = 0
    orders: dict[str, Order] = field(default_factory=dict)
    residue: list[str] = field(default_factory=list)
    unmet: list[str] = field(default_factory=list)
    _standing: dict[str, int] = field(default_factory=dict)

    def apply(self, fault: str, arguments: Mapping[str, Any]) -> Order:
        """Do a fault. Raises RefusedError."""
        order = parse_order(fault, arguments, self.target.world)
        if isinstance(order, tuple):
            raise RefusedError("; ".join(str(one) for one in order))
        self._standing[order.label] = self.target.apply(fault, arguments, self.seed)
        self.orders[order.label] = order
        return order

    def heal(self, label: str) -> tuple[str, ...]:
        """Undo a fault; what it left behind. Raises RefusedError when it does not stand."""
        number = self._standing.pop(label, None)
        if number is None:
            stand = ", ".join(self._standing) or "none"
            raise RefusedError(f'no fault "{label}" stands; those that do: {stand}')
        left = self.target.heal(number)
        self.residue += left
        return left

    def heal_all(self) -> tuple[str, ...]:
        """Undo all that stand, the newest first; what they left behind."""
        return tuple(left for label in reversed(list(self._standing)) for left in self.heal(label))

    @property
    def standing(self) -> tuple[str, ...]:
        """The labels of the faults that stand."""
        return tuple(self._standing)


_open: list[Session] = []


def opened(session: Session) -> Session:
    """From now on this is the session. Raises RefusedError when there is one."""
    if _open:
        raise RefusedError("this process runs an experiment already; run one at a time")
    _open.append(session)
    return session


def current() -> Session:
    """The session. Raises RefusedError when there is none."""
    if not _open:
        raise RefusedError(
            "no lab is open: give the experiment the control lbmesh_chaos.toolkit.control, and the extension "
            '"lbmesh" with a "world"'
        )
    return _open[-1]


def is_open() -> bool:
    """Whether there is one."""
    return bool(_open)


def forgotten() -> None:
    """There is no session any more. What its target holds is for whoever opened it to close."""
    _open.clear()
