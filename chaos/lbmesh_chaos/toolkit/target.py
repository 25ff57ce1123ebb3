"""What actions and probes are aimed at: a lab, or real nodes over their admin API."""

from collections.abc import Mapping
from typing import Any, Protocol

from lbmesh_chaos.model.world import World


class RefusedError(Exception):
    """A fault cannot be done, or what is aimed at is not there; says why, and what to do instead."""


class Target(Protocol):
    """Every fault that is done here is undone when this is closed, or when this process ends, however it ends."""

    @property
    def world(self) -> World:
        """What there is."""

    def apply(self, fault: str, arguments: Mapping[str, Any], seed: int) -> int:
        """Do a fault; its number. Raises RefusedError; then nothing of it is done."""

    def heal(self, number: int) -> tuple[str, ...]:
        """Undo a fault; what it left behind, in words. Raises RefusedError when it does not stand any more."""

    def residue(self) -> tuple[str, ...]:
        """What is not as it was made, faults that stand among it."""

    def state(self, balancer: str) -> Mapping[str, Any] | None:
        """A balancer's /v1/state; None when it does not answer."""

    def close(self) -> None:
        """Undo what stands, and let go."""
