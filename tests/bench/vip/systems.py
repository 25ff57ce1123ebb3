"""The systems side by side, each on three nodes of one bridge; the first node has the front."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tests.support.segment import Place, Segment, fetch, mesh
from tests.support.wait import wait_for

FRONT = "10.0.0.100"
ADVERTISEMENT_S = {"keepalived": 1.0, "keepalived-100ms": 0.1}
SYSTEMS = ("lbmesh", *ADVERTISEMENT_S)
_ORIGIN = Path(__file__).parents[2] / "support" / "segment_origin.py"


@contextlib.contextmanager
def running(system: str, place: Segment, directory: Path) -> Iterator[list[int]]:
    """One of SYSTEMS at each node, once a client is answered. Yields the process groups of the first node."""
    made = lbmesh(place, directory) if system == "lbmesh" else keepalived(place, directory, ADVERTISEMENT_S[system])
    with made as groups:
        yield groups


@contextlib.contextmanager
def keepalived(place: Segment, directory: Path, every_s: float) -> Iterator[list[int]]:
    """keepalived and a web server at each node."""
    running: list[tuple[Place, subprocess.Popen[bytes]]] = []
    try:
        for node in place.nodes:
            config = directory / f"{node.number}.conf"
            config.write_text(
                f"global_defs {{ vrrp_version 3 }}\nvrrp_instance front {{ interface eth0\n virtual_router_id 7\n"
                f" state {'MASTER' if node.number == 1 else 'BACKUP'}\n priority {200 - 10 * node.number}\n"
                f" advert_int {every_s}\n virtual_ipaddress {{ {FRONT}/32 dev eth0 }} }}\n"
            )
            pids = [word for flag in "prc" for word in (f"-{flag}", f"{directory}/{node.number}{flag}.pid")]
            for command in (
                (sys.executable, str(_ORIGIN), "--same-port", str(node.number)),
                ("keepalived", "-n", "-D", "-P", "-f", str(config), *pids),
            ):
                with (directory / f"{node.number}.log").open("ab") as log:
                    argv = ("ip", "netns", "exec", node.name, *command)
                    one = subprocess.Popen(argv, start_new_session=True, stdout=log, stderr=log)
                running.append((node, one))
        wait_for(lambda: fetch(place.client, FRONT) == "1", "an answer of the first")
        time.sleep(3 * every_s + 1.0)
        yield [one.pid for node, one in running if node.number == 1]
    finally:
        for _, one in running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(one.pid, signal.SIGKILL)
            one.wait()


@contextlib.contextmanager
def lbmesh(place: Segment, directory: Path) -> Iterator[list[int]]:
    """The same of lbmesh."""
    with mesh(place, directory, [FRONT]) as nodes:
        wait_for(lambda: fetch(place.client, FRONT) == "1", "an answer of the first")
        assert nodes[0].process is not None
        yield [nodes[0].process.pid]
