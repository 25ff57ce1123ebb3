"""The examples of the documents on fronts are sound when they are copied word by word."""

import re
from pathlib import Path

import pytest

from lbmesh.config.settings import Settings
from tests.support.config_text import BASE, settings_of

DOCS = Path(__file__).parents[3] / "docs"
ZONES = '[failover.zones]\nzone-a = ["lb-a1"]\nzone-b = ["lb-b1"]\nzone-c = ["lb-c1"]\n'
EXAMPLES = [
    pytest.param(text, id=f"{path.name} {number}")
    for path in sorted(DOCS.glob("FRONTS*.md"))
    for number, text in enumerate(re.findall(r"```toml\n(.*?)```", path.read_text(), re.DOTALL), 1)
]


@pytest.mark.parametrize("text", EXAMPLES)
def test_an_example_is_taken_as_it_stands(text: str) -> None:
    settings = settings_of(BASE + text + ("" if "\n[failover.zones]" in text else ZONES))
    assert isinstance(settings, Settings)
    assert len(settings.fronts) == 1


def test_each_kind_that_moves_an_address_has_one() -> None:
    shown = {kind for example in EXAMPLES for kind in re.findall(r'driver = "(\w+)"', str(example.values[0]))}
    assert shown == {"vip", "bgp", "ec2", "command"}
