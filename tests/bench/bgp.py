"""How long a client behind a router misses a front, beside BIRD alone: `python -m tests.bench.bgp SYSTEM FAULT ROUNDS`.
With `waiting` after that: what becomes of clients in flight (`tests/bench/vip/waiting.py` has the figures).

SYSTEM: lbmesh (one holder, whose heir announces the route in a way that the router prefers), lbmesh-plain (the same
without `takeover`), bird (three BIRDs that announce the same address beside a web server, which is what there is
without lbmesh; BFD 50 ms x 3), bird-hold (without BFD, a hold time of 3 s). FAULT: kill (SIGKILL to all processes of a
balancer, of bird's systems BIRD, too), stop (SIGSTOP to the same), serve-kill and serve-stop (of bird's systems to the
web server alone, as happens to lbmesh, whose BIRD lives on), silent (nothing passes on its link, which stays up), drain
(it is told to leave). Three balancers on /30 links behind one router, fresh for each round; a client opens a connection
every 10 ms. With `waiting`, CROWD clients wait for an answer that takes half a minute, IDLE ones have had theirs and
stay, and each 10 ms another asks for what takes 0.8 s. Needs root, iproute2, nftables and bird2.
"""

import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from tests.bench.vip import waiting as in_flight
from tests.support.bgp_world import FRONT, Routed, balancers, routed, wait_told
from tests.support.places import fetch
from tests.support.segment_waiters import LATE_S
from tests.support.sightings import Sightings, asking, waiting
from tests.support.wait import wait_for

_BEFORE_S, _AFTER_S, _AFTER_SLOW_S = 0.5, 2.0, 6.0
_HUNG_S = 1.3
_ORIGIN = Path(__file__).parents[1] / "support" / "segment_origin.py"
_SIGNALS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}
BFD_MS = {"lbmesh": 50, "lbmesh-plain": 50, "bird": 50, "bird-hold": 0}

_USUAL = ("3", "asking")

Fault = Callable[[], None]


@contextlib.contextmanager
def lbmesh(world: Routed, directory: Path, fault: str, *, takeover: bool) -> Iterator[Fault]:
    """Three nodes, of which the first holds the front. Yields what breaks it."""
    with balancers(world, directory, takeover=takeover) as nodes:

        def strike() -> None:
            process = nodes[0].process
            assert process is not None
            if fault == "drain":
                process.send_signal(signal.SIGTERM)
            else:
                nodes[0].signal(_SIGNALS[fault])

        # Nodes that have just started take nothing for 2 s.
        time.sleep(2.5)
        wait_told(world.nodes[0])
        yield strike


@contextlib.contextmanager
def bird(world: Routed, fault: str) -> Iterator[Fault]:
    """A web server at each balancer, all of which announce the front. Yields what breaks the first."""
    servers: list[subprocess.Popen[bytes]] = []
    try:
        for node, daemon in zip(world.nodes, world.birds, strict=True):
            node.run("ip", "address", "add", f"{FRONT}/32", "dev", "lo")
            command = (sys.executable, str(_ORIGIN), "--same-port", str(node.number))
            argv = ("ip", "netns", "exec", node.name, *command)
            servers.append(subprocess.Popen(argv, start_new_session=True, stdout=subprocess.DEVNULL))
            daemon.ask("enable front")
        wait_for(lambda: world.next_hops() == [1, 2, 3], "all three routes")
        time.sleep(1.0)

        def strike() -> None:
            if fault == "drain":
                world.birds[0].ask("disable front")
                return
            number = _SIGNALS[fault.removeprefix("serve-")]
            os.killpg(servers[0].pid, number)
            if not fault.startswith("serve-"):
                world.birds[0].signal(number)

        yield strike
    finally:
        for server in servers:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def one_round(system: str, fault: str, watch: str) -> dict[str, float]:
    """What clients saw of one fault; times in ms. `watch`: "asking" or "waiting"."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        hold_s = 3 if system == "bird-hold" else 9
        with routed(3, directory, bfd_ms=BFD_MS[system], hold_s=hold_s) as world:
            made = (
                bird(world, fault)
                if system.startswith("bird")
                else lbmesh(world, directory, fault, takeover=system == "lbmesh")
            )
            with made as strike:
                wait_for(lambda: fetch(world.client, FRONT), "an answer")
                if fault == "silent":
                    strike = partial(world.cut, world.nodes[0])
                after_s = _AFTER_SLOW_S if system == "bird-hold" else _AFTER_S
                return _ask(world, strike, after_s) if watch == "asking" else _wait(world, strike, after_s)


def _ask(world: Routed, strike: Fault, after_s: float) -> dict[str, float]:
    """A client that opens connections."""
    with asking(world.client, FRONT) as seen:
        time.sleep(_BEFORE_S)
        fault_s = time.monotonic()
        strike()
        gone_s = _route_gone_s(world, after_s)
    return {**figures(seen, fault_s), "route gone": 1000 * (gone_s - fault_s)}


def _wait(world: Routed, strike: Fault, after_s: float) -> dict[str, float]:
    """Clients that wait, for as long that those are known who would hang."""
    with waiting(world.client, FRONT, in_flight.CROWD, in_flight.IDLE) as waits:
        time.sleep(_BEFORE_S)
        fault_s = time.monotonic()
        strike()
        time.sleep(after_s + LATE_S)
    return in_flight.figures(waits, fault_s, fault_s + after_s + LATE_S)


def _route_gone_s(world: Routed, within_s: float) -> float:
    """When the router's kernel led nobody there any more; infinite if not within this time, which passes anyway."""
    end_s, gone_s = time.monotonic() + within_s, float("inf")
    while time.monotonic() < end_s:
        if gone_s == float("inf") and 1 not in world.next_hops():
            gone_s = time.monotonic()
        time.sleep(0.01 if gone_s == float("inf") else 0.1)
    return gone_s


def figures(seen: Sightings, fault_s: float) -> dict[str, float]:
    """Of one round."""
    late = [one for one in seen.requests if one[0] >= fault_s]
    moved = [ended for _, ended, answer in late if answer not in ("", "1")]
    return {
        "first answer of another": 1000 * (min(moved) - fault_s) if moved else float("inf"),
        "last error": 1000 * seen.outage_s(fault_s),
        "failed": sum(not answer for *_, answer in late),
        "hung": sum(not answer and ended - begun >= _HUNG_S for begun, ended, answer in late),
    }


def main() -> None:
    """Rounds, then median and worst."""
    system, fault, times, watch = (*sys.argv[1:], *_USUAL[len(sys.argv) - 3 :])
    rounds = [one_round(system, fault, watch) for _ in range(int(times))]
    summary = {
        name: tuple(
            "never" if value == float("inf") else round(value)
            for value in (statistics.median(one[name] for one in rounds), max(one[name] for one in rounds))
        )
        for name in rounds[0]
    }
    told = {"system": system, "fault": fault, "clients": watch, "rounds": len(rounds), "median, worst": summary}
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
