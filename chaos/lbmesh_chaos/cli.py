"""The verbs that this package adds to `lbmesh`."""

from collections.abc import Sequence


def drill(arguments: Sequence[str]) -> int:
    """`lbmesh drill`; the exit code."""
    from lbmesh_chaos.drill.verb import main

    return main(arguments)


def lab(arguments: Sequence[str]) -> int:
    """`lbmesh lab`; the exit code."""
    from lbmesh_chaos.lab.verbs import main

    return main(arguments)
