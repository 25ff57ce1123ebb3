"""How long the property tests of tests/fuzz go on."""

import os
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, settings

EXAMPLES_VARIABLE = "LBMESH_FUZZ_EXAMPLES"
EXAMPLES = 3000


def fuzz_profile() -> Callable[[Any], Any]:
    """Settings for one property: EXAMPLES, or as many as the environment says."""
    return settings(
        max_examples=int(os.environ.get(EXAMPLES_VARIABLE, EXAMPLES)),
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
