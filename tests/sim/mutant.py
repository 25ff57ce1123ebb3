"""A safeguard, the change that takes it out, and the tests that must fail then."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mutant:
    """`old` stands once in `module` and becomes `new`. `tests`: pytest's names; one of them at least must fail."""

    name: str
    module: str
    old: str
    new: str
    tests: tuple[str, ...]


def mutant(name: str, module: str, old: str, new: str, *tests: str) -> Mutant:
    """In words that need no class."""
    return Mutant(name, f"lbmesh.{module}", old, new, tests)
