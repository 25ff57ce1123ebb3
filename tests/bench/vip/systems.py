"""The systems side by side, each on three nodes of one bridge; the first node has the front.

keepalived has HAProxy at each node, as it is mostly run; lbmesh is both in one. All of them lead to the same origins.
"""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.support.places import Place, fetch
from tests.support.segment import Segment, mesh
from tests.support.wait import wait_for

FRONT = "10.0.0.100"
ADVERTISEMENT_S = {"keepalived": 1.0, "keepalived-100ms": 0.1}
"""How often the holder says that it lives; the backups believe in its death after three and a bit (RFC 5798, 6.1)."""

SYSTEMS = ("lbmesh", *ADVERTISEMENT_S)


@contextlib.contextmanager
def running(system: str, place: Segment, directory: Path) -> Iterator[None]:
    """One of SYSTEMS at each node, at rest, with the front at the first."""
    if system == "lbmesh":
        with mesh(place, directory, [FRONT], own_origins=False):
            _wait_first(place)
            yield
    else:
        with _keepalived(place, directory, ADVERTISEMENT_S[system]):
            _wait_first(place)
            yield


def _wait_first(place: Segment) -> None:
    wait_for(lambda: fetch(place.client, FRONT) != "", "an answer")
    wait_for(lambda: place.nodes[0].has(FRONT), f"{FRONT} at the first node")


_KEEPALIVED = """
global_defs {{ vrrp_version 3 }}
vrrp_instance front {{
  interface eth0
  virtual_router_id 7
  state {state}
  priority {priority}
  advert_int {every_s}
  virtual_ipaddress {{ {front}/32 dev eth0 }}
}}
"""

_HAPROXY = """
global
  nbthread 1
defaults
  mode http
  timeout connect 1s
  timeout client 30s
  timeout server 30s
frontend front
  bind :80
  default_backend app
backend app
  server origin {origin}
"""


@contextlib.contextmanager
def _keepalived(place: Segment, directory: Path, every_s: float) -> Iterator[None]:
    started: list[subprocess.Popen[bytes]] = []
    try:
        for node in place.nodes:
            for command in _commands(node, place.client, directory, every_s):
                with (directory / f"{node.number}.log").open("ab") as log:
                    argv = ("ip", "netns", "exec", node.name, *command)
                    started.append(subprocess.Popen(argv, stdout=log, stderr=log))
        yield
    finally:
        for one in started:
            one.kill()
            one.wait()


def _commands(node: Place, client: Place, directory: Path, every_s: float) -> Iterator[tuple[str, ...]]:
    haproxy = directory / f"{node.number}.haproxy"
    haproxy.write_text(_HAPROXY.format(origin=f"{client.address}:{8000 + node.number}"))
    yield ("haproxy", "-db", "-f", str(haproxy))
    keepalived = directory / f"{node.number}.keepalived"
    state, priority = ("MASTER", 200) if node.number == 1 else ("BACKUP", 200 - 10 * node.number)
    keepalived.write_text(_KEEPALIVED.format(state=state, priority=priority, every_s=every_s, front=FRONT))
    pid_files = [word for flag in "prc" for word in (f"-{flag}", f"{directory}/{node.number}{flag}.pid")]
    yield ("keepalived", "-n", "-D", "-P", "-f", str(keepalived), *pid_files)
