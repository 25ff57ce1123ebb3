"""When the garbage collector looks, and at what: a look at all that 10,000 replicas are made of takes an agent 134 ms.

What there is most of holds no cycles, and goes with the last reference: connections, exchanges, settings, Views and
what is compiled of them (tests prove it of what a forwarder makes). The collector stays on for what is young.
"""

import gc

YOUNG = 5_000
"""More objects alive than at the last look, before the young ones are looked at."""

LOOKS_UNTIL_OLDER = 5
"""Looks at the young before one at those that outlived a look as well."""

OLDER_LOOKS_UNTIL_ALL = 1_000
"""Looks at those before one at all that is not spared."""


def begin() -> None:
    """The process is set up: what there is by now is never looked at."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, LOOKS_UNTIL_OLDER, OLDER_LOOKS_UNTIL_ALL)


def sweep() -> None:
    """Collect what is young and dead, before `spare` would keep it."""
    gc.collect(1)


def spare() -> None:
    """What there is by now is never looked at either. Costs nothing: may be called after each step of a long work."""
    gc.freeze()
