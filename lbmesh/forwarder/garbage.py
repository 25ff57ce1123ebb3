"""When the garbage collector looks, and at what: a look at all that 10,000 replicas are made of takes 50 ms.

Nothing here needs it: connections, exchanges, Views and what is compiled of them hold no cycles, and go with the last
reference (tests prove it). It stays on for the rare cycle in a library, and looks at what is young.
"""

import gc

YOUNG = 10_000
"""More objects alive than at the last look, before the young ones are looked at: below a millisecond."""

LOOKS_UNTIL_OLDER = 5
"""Looks at the young before one at those that outlived a look as well."""

NEVER = 1_000_000


def begin() -> None:
    """The process is set up: what there is by now is never looked at."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, LOOKS_UNTIL_OLDER, NEVER)


def before_view() -> None:
    """A View is about to be compiled: what is young garbage goes now, as `spare` would keep it."""
    gc.collect(1)


def spare() -> None:
    """What has been made of a View is never looked at either: called after each of its steps, at no cost."""
    gc.freeze()
