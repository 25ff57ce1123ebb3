"""How long the property tests of tests/fuzz go on."""

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, settings

EXAMPLES = 3000
"""For each property in a usual run; `make fuzz` looks longer."""


def fuzz_profile() -> Callable[[Any], Any]:
    """Settings for one property: EXAMPLES, or more where the profile in force asks for more."""
    current = settings.get_current_profile_name()
    return settings(
        max_examples=max(EXAMPLES, settings.get_profile(current).max_examples),
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
