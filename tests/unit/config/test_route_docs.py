"""Each example of docs/ROUTES.md is sound, and each rule is in it."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from lbmesh.config.settings import Settings
from lbmesh.model.route_rules import RouteRules
from tests.support.config_text import BASE, FILES, parse

TEXT = (Path(__file__).parents[3] / "docs" / "ROUTES.md").read_text()
EXAMPLES = re.findall(r"^```toml\n(.*?)^```$", TEXT, flags=re.MULTILINE | re.DOTALL)
SERVICES = "".join(
    f'[[service]]\nname = "{name}"\npaths = ["/{name}"]\nreplicas = [{{ address = "10.0.1.30:80", zone = "z" }}]\n'
    for name in ("next", "shadow")
)
PAGES = {**FILES, "/etc/lbmesh/gone.html": "gone", "/etc/lbmesh/maintenance.html": "soon"}


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_is_sound(example: str) -> None:
    text = BASE.replace('hosts = ["shop.example.com"]', 'hosts = ["base.invalid"]')
    parsed = parse(f"{text}{SERVICES}{example}", files=PAGES)
    assert isinstance(parsed, Settings), [str(error) for error in parsed]


@pytest.mark.parametrize("name", [each.name for each in fields(RouteRules)])
def test_each_rule_is_explained(name: str) -> None:
    assert f"`{name.removesuffix('_bytes')}`" in TEXT
