"""A way for copies from a front's holder to its backups: over one segment, or through a tunnel behind routers."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import trio


class Way(Protocol):
    """`table`: the rules', of one family or both; `rules`: how many these are of each. `rounds_s`: when what is known
    is tickled after the front was taken.
    """

    table: str
    rules: int
    rounds_s: tuple[float, ...]

    def families(self, fronts: Mapping[str, str]) -> frozenset[str]:
        """Of which families the table is there: "ip", "ip6". `fronts`: {address: interface}, as everywhere here."""

    def script(self, fronts: Mapping[str, str]) -> str:
        """The rules for exactly these, for nft(8)."""

    def prepare(self) -> tuple[str, int]:
        """Make what the rules name: why that cannot be, "" for nothing, and a number that changes when the rules must
        be set anew because of it.
        """

    async def meet(self, fronts: Mapping[str, str], nursery: trio.Nursery) -> None:
        """Find the others, and be found. The rules are there, for a front at least."""

    def ends(self, family: str, front: str, names: Sequence[str]) -> Iterator[str]:
        """What copies for these nodes are sent by way of, of those that can be reached."""

    def close(self) -> None:
        """Leave nothing. The rules go after it."""
