"""Settings come out of memory as they went in, however often they are read."""

import os
import pickle

import pytest
from hypothesis import given

from lbmesh.config.handover import settings_from_memory, settings_to_memory
from lbmesh.config.settings import Settings
from tests.support.settings import settings


@given(settings())
def test_settings_survive_the_handover_and_can_be_read_again(settings: Settings) -> None:
    descriptor = settings_to_memory(settings)
    assert [settings_from_memory(descriptor) for _ in range(2)] == [settings, settings]
    assert not os.get_inheritable(descriptor)
    os.close(descriptor)


def test_something_else_is_a_type_error() -> None:
    descriptor = os.memfd_create("something-else")
    os.write(descriptor, pickle.dumps(["no", "settings"]))
    with pytest.raises(TypeError, match="no settings, but list"):
        settings_from_memory(descriptor)
    os.close(descriptor)
