"""Faults as nft scripts, the same for every system. Pure.

Packets are dropped where they arrive: a drop on the way out fails the sender's own call (EPERM), which tells it
something that no network would.
"""

import math
from collections.abc import Collection, Mapping

from tests.bench.gossip.namespaces import address

TABLE = "lbmesh_bench"
HEAL = f"delete table ip {TABLE}\n"


def split(side: Collection[int], nodes: int) -> dict[int, str]:
    """Nothing passes between this side and the rest: {node: script}, for every node."""
    rest = [number for number in range(nodes) if number not in side]
    return {number: _script(_from(rest if number in side else side)) for number in range(nodes)}


def friends_of(culprit: int, nodes: int) -> tuple[int, ...]:
    """The tenth of the members, at least one, that a half-connected node still reaches: the next ones."""
    return tuple((culprit + step) % nodes for step in range(1, 1 + math.ceil(nodes / 10)))


def half_connected(culprit: int, nodes: int) -> dict[int, str]:
    """Nothing passes between the culprit and the others, but for its friends."""
    strangers = [one for one in range(nodes) if one != culprit and one not in friends_of(culprit, nodes)]
    return {culprit: _script(_from(strangers))} | {number: _script(_from([culprit])) for number in strangers}


def egress_loss(culprits: Collection[int], percent: int, nodes: int) -> dict[int, str]:
    """Of what these send, so much is lost, by chance; what they are sent arrives."""
    scripts: Mapping[int, list[int]] = {number: [one for one in culprits if one != number] for number in range(nodes)}
    chance = f" numgen random mod 100 < {percent}"
    return {number: _script(_from(sources) + chance) for number, sources in scripts.items() if sources}


def _from(sources: Collection[int]) -> str:
    return f"ip saddr {{ {', '.join(map(address, sorted(sources)))} }}"


def _script(match: str) -> str:
    return (
        f"table ip {TABLE} {{\n  chain arrives {{\n    type filter hook input priority 0;\n    {match} drop\n  }}\n}}\n"
    )
