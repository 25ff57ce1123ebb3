"""The annotated examples under config/ are sound, and show what this version knows."""

import re
from pathlib import Path
from typing import get_args

import pytest

from lbmesh.config.parse import parse_settings
from lbmesh.config.settings import Settings
from lbmesh.model.check import Probe
from lbmesh.model.front import Driver
from tests.support.config_text import KEY, a_key_pair

EXAMPLES = Path(__file__).parents[3] / "config"


def load(name: str, *, uncommented: bool = False) -> Settings:
    text = (EXAMPLES / name).read_text()
    if uncommented:
        text = re.sub(r"^# (\w+ = )", r"\1", text, flags=re.MULTILINE)
    parsed = parse_settings(
        text,
        file=name,
        host_name="lb",
        cpu_count=2,
        read_file=lambda _: KEY,
        read_certificates=str,
        read_page=str,
        read_key_pair=a_key_pair,
    )
    assert isinstance(parsed, Settings), [str(error) for error in parsed]
    return parsed


def test_there_is_nothing_untested() -> None:
    assert {path.name for path in EXAMPLES.iterdir()} == {"lbmesh.toml", "minimal.toml"}


def test_minimal_is_a_node_alone() -> None:
    settings = load("minimal.toml")
    assert settings.gossip is None
    assert settings.admin is None
    assert [len(service.replicas) for service in settings.services] == [2]


def test_the_full_example_spans_three_zones() -> None:
    settings = load("lbmesh.toml")
    assert {replica.zone for service in settings.services for replica in service.replicas} == {
        "zone-a",
        "zone-b",
        "zone-c",
    }
    assert settings.gossip is not None
    assert settings.admin is not None


def test_the_full_example_checks_in_every_way() -> None:
    kinds = {type(service.health.probe) for service in load("lbmesh.toml").services if service.health}
    assert kinds == set(get_args(Probe))


def test_the_full_example_has_a_front_of_every_driver() -> None:
    assert {type(front.driver) for front in load("lbmesh.toml").fronts} == set(get_args(Driver))


def test_what_is_commented_out_is_the_default() -> None:
    text = (EXAMPLES / "lbmesh.toml").read_text()
    assert len(re.findall(r"^# \w+ = ", text, flags=re.MULTILINE)) == 30
    assert load("lbmesh.toml", uncommented=True) == load("lbmesh.toml")


@pytest.mark.parametrize(
    "key",
    [
        *["seeds", "workers", "balance", "retries", "timeouts", "health", "token_file", "weight"],
        *["kind", "method", "host", "port", "headers", "status", "headers_match", "body_regex"],
        *["grpc_service", "tls", "server_name", "ca", "send", "expect"],
        *["hash", "header", "cookie", "source", "balance_factor", "sticky", "ttl", "secure", "http_only", "same_site"],
        *["split_by", "methods", "query", "allow", "deny", "maintenance", "rate_limit", "redirect", "max_body"],
        *["zone", "ttl", "ns_ttl", "negative_ttl", "mailbox", "rate", "client_subnet"],
        *["prefix_length", "protocol", "prefix", "socket", "resource", "run", "hold_down", "witnesses"],
        *["region", "endpoint", "device", "interfaces", "timeout", "check"],
        *["rewrite", "regex", "request_headers", "mirror", "response_headers", "exact_paths", "respond"],
    ],
)
def test_every_key_is_shown(key: str) -> None:
    assert re.search(rf"\b{key} = ", (EXAMPLES / "lbmesh.toml").read_text())
