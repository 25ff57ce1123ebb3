"""The verbs that this package adds to `lbmesh`."""

from collections.abc import Sequence


def lab(arguments: Sequence[str]) -> int:
    """`lbmesh lab`; the exit code."""
    from lbmesh_chaos.lab.verbs import main

    return main(arguments)
