"""What the collector looks at: the young, and nothing of what was there before."""

import gc
from collections.abc import Iterator
from weakref import ref

import pytest

from lbmesh.observe import garbage


class Ring:
    """Refers to itself: only the collector frees it."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    before = gc.get_threshold()
    gc.disable()
    yield
    gc.enable()
    gc.set_threshold(*before)
    gc.unfreeze()


def test_what_there_is_at_the_beginning_is_never_looked_at() -> None:
    dead = ref(Ring())
    alive = Ring()
    garbage.begin()
    assert dead() is None
    later = ref(alive)
    del alive
    gc.collect()
    assert later() is not None


def test_from_then_on_the_collector_looks_seldom_at_what_is_old() -> None:
    garbage.begin()
    assert gc.get_threshold() == (garbage.YOUNG, garbage.LOOKS_UNTIL_OLDER, garbage.OLDER_LOOKS_UNTIL_ALL)
    assert garbage.YOUNG >= 5_000
    assert garbage.OLDER_LOOKS_UNTIL_ALL >= 1_000


def test_what_is_dead_is_swept_before_the_rest_is_spared() -> None:
    gc.collect()
    dead = ref(Ring())
    alive = Ring()
    garbage.sweep()
    garbage.spare()
    assert dead() is None
    later = ref(alive)
    del alive
    gc.collect()
    assert later() is not None
