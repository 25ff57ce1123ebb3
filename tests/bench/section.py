"""What every part of the benchmark is given, and what it hands back."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from tests.bench.proxies import VARIANTS, Variant
from tests.bench.running import Cores

SUBJECT = "lbmesh"
YARDSTICK = "haproxy"


@dataclass(frozen=True, slots=True)
class Setting:
    """`only`: the names of the proxies asked for; all if empty. `directory`: this part's own. `say`: progress."""

    directory: Path
    cores: Cores
    say: Callable[[str], None]
    quick: bool = False
    only: tuple[str, ...] = ()

    def variants(self, names: Sequence[str]) -> tuple[Variant, ...]:
        """Those of `names` that are asked for and that this machine has.

        Raises RuntimeError when there is none.
        """
        present = tuple(variant for variant in self._wanted(names) if not variant.proxy.missing())
        if not present:
            raise RuntimeError(f"of {', '.join(names)} none is both here and asked for")
        return present

    def skipped(self, names: Sequence[str]) -> dict[str, str]:
        """The proxies that are missing, with how to get them."""
        return {one.proxy.title: how for one in self._wanted(names) if (how := one.proxy.missing())}

    def _wanted(self, names: Sequence[str]) -> list[Variant]:
        return [one for one in VARIANTS if one.name in names and (not self.only or one.name in self.only)]


@dataclass(frozen=True, slots=True)
class Report:
    """Markdown, and whether all that it says was measured as it should be."""

    text: str
    valid: bool


def paragraphs(parts: Iterable[str]) -> str:
    """Markdown of several paragraphs, empty ones left out."""
    return "\n\n".join(stripped for part in parts if (stripped := part.strip())) + "\n"


def skipped_lines(skipped: Mapping[str, str]) -> str:
    """What is missing, and how to get it."""
    return "\n\n".join(f"Skipped: {name}, which is missing ({how})." for name, how in skipped.items())


def ratio(own: Mapping[int, float], other: Mapping[int, float]) -> float | None:
    """The median of the ratios taken round by round; None when no round has both.

    A round in which the other has nothing above zero is left out.
    """
    found = [own[number] / other[number] for number in own.keys() & other.keys() if other[number] > 0]
    return median(found) if found else None
