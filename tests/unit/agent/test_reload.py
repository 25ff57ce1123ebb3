"""A file read again: what it says as before are the objects from before."""

import os
from dataclasses import replace

from hypothesis import given

from lbmesh.agent.reload import sharing
from lbmesh.config.handover import settings_from_memory, settings_to_memory
from lbmesh.config.settings import Settings
from tests.support.planes import settings as small_settings
from tests.support.planes import shop
from tests.support.settings import settings


def read_again(settings: Settings) -> Settings:
    """The same settings, of other objects."""
    descriptor = settings_to_memory(settings)
    try:
        return settings_from_memory(descriptor)
    finally:
        os.close(descriptor)


@given(settings())
def test_settings_read_again_are_made_of_what_there_was(old: Settings) -> None:
    again = read_again(old)
    shared = sharing(old, again)
    assert shared == again
    assert all(one is other for one, other in zip(shared.services, old.services, strict=True))
    assert shared.routes is old.routes


def test_only_what_changed_is_another_object() -> None:
    old = small_settings(shop(2, name="kept"), shop(1, name="changed"))
    new = read_again(replace(old, services=(old.services[0], shop(2, name="changed"))))
    shared = sharing(old, new)
    assert shared == new
    assert shared.services[0] is old.services[0]
    assert shared.services[1] is not old.services[1]
