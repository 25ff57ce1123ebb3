"""A small sound configuration file, and what parsing a changed one says."""

from collections.abc import Callable
from pathlib import Path

from lbmesh.config.errors import ConfigError
from lbmesh.config.key_pair import PairError
from lbmesh.config.parse import parse_settings
from lbmesh.config.settings import Settings
from lbmesh.model.tls import KeyPair

KEY = "0123456789abcdef" * 4
BASE = """\
[node]
zone = "zone-a"
[gossip]
bind = "10.0.1.10:7946"
key_file = "/gossip.key"
[[listener]]
bind = "0.0.0.0:80"
[[service]]
name = "shop"
hosts = ["shop.example.com"]
timeouts = { connect = "1s" }
health = { interval = "2s" }
replicas = [
  { address = "10.0.1.20:8080", zone = "zone-a" },
  { address = "10.0.2.20:8080", zone = "zone-b" },
]
[admin]
token_file = "/admin.token"
"""
FILES = {"/gossip.key": f"{KEY}\n", "/admin.token": "secret\n"}


def reader(files: dict[str, str]) -> Callable[[Path], str]:
    def read_file(path: Path) -> str:
        if str(path) not in files:
            raise FileNotFoundError
        return files[str(path)]

    return read_file


def a_key_pair(cert: Path, key: Path) -> KeyPair:
    """What two files hold, but for those whose name says that something is wrong with them."""
    for part, path in (("cert", cert), ("key", key)):
        if path.stem == "bad":
            raise PairError("cert" if part == "cert" else "key", f"{path}: damaged; write it again")
    return KeyPair(cert, key, "chain", "key", (f"{cert.stem}.example.com",), 0.0, 2e9, "ab" * 32)


def parse(
    text: str, *, host_name: str = "lb-a1", cpu_count: int = 2, files: dict[str, str] = FILES
) -> Settings | tuple[ConfigError, ...]:
    return parse_settings(
        text,
        file="x.toml",
        host_name=host_name,
        cpu_count=cpu_count,
        read_file=reader(files),
        read_certificates=reader(files),
        read_page=reader(files),
        read_key_pair=a_key_pair,
    )


def settings_of(text: str, *, cpu_count: int = 2) -> Settings:
    parsed = parse(text, cpu_count=cpu_count)
    assert isinstance(parsed, Settings), [str(error) for error in parsed]
    return parsed


def errors_of(text: str, *, host_name: str = "lb-a1", files: dict[str, str] = FILES) -> list[str]:
    """Each error as it is shown, without the file's name."""
    parsed = parse(text, host_name=host_name, files=files)
    assert not isinstance(parsed, Settings)
    return [str(error).removeprefix("x.toml:") for error in parsed]


def changed(old: str, new: str) -> str:
    """The base file with one place in it changed."""
    assert BASE.count(old) == 1, old
    return BASE.replace(old, new)
