"""A target without a lab: it remembers what was asked of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lbmesh_chaos.model.world import World
from lbmesh_chaos.toolkit.target import RefusedError


@dataclass
class Remembering:
    """`asked`: ("apply", fault) and ("heal", number), in order. `leaves`: what each heal leaves behind, by number."""

    world: World
    asked: list[tuple[str, object]] = field(default_factory=list)
    leaves: dict[int, tuple[str, ...]] = field(default_factory=dict)
    refuses: str = ""

    def apply(self, fault: str, arguments: Mapping[str, Any], seed: int) -> int:
        del arguments, seed
        if self.refuses:
            raise RefusedError(self.refuses)
        self.asked.append(("apply", fault))
        return len(self.asked)

    def heal(self, number: int) -> tuple[str, ...]:
        self.asked.append(("heal", number))
        return self.leaves.get(number, ())

    def residue(self) -> tuple[str, ...]:
        return ()

    def state(self, balancer: str) -> Mapping[str, Any] | None:
        del balancer
        return None

    def close(self) -> None:
        self.asked.append(("close", None))
