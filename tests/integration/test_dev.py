"""`lbmesh dev` with all its processes: orders from another terminal, and an end that leaves nothing."""

import os
import re
import signal

import httpx
import pytest

from tests.support.dev import Dev, dev
from tests.support.wait import wait_for

UP = "Ctrl-C ends it."


def shop_url(running: Dev) -> str:
    """The first balancer's address, as printed: the friendly port may have been taken."""
    found = re.search(r"shop (http://\S+)", running.output())
    assert found is not None
    return found.group(1)


def test_drills_from_another_terminal_and_an_interrupt() -> None:
    with dev() as running:
        running.wait_for_output(UP)
        assert len(running.processes()) == 1 + 6 + 3 * 3
        first = httpx.get(shop_url(running) + "whoami")
        assert first.json()["replica"] == first.headers["X-Replica"]

        assert running.order("kill", "app-a1").stdout == "app-a1: killed\n"
        assert running.condition("app-a1") == "killed"
        running.wait_for_output("lb-b1 sees down: app-a1")
        assert running.order("heal", "app-a1").stdout == "app-a1: started again\n"

        assert running.order("cut", "zone-b").stdout == "lb-b1: frozen\napp-b1: frozen\napp-b2: frozen\n"
        running.wait_for_output("lb-a1 sees down: app-b1, app-b2, lb-b1")
        assert running.order("cut", "lb-b1").stdout == "lb-b1: left as it is: it is frozen\n"
        assert httpx.get(shop_url(running)).status_code == 200
        assert running.order("heal", "zone-b").stdout == "lb-b1: runs again\napp-b1: runs again\napp-b2: runs again\n"

        assert running.order("kill", "lb-c1").stdout == "lb-c1: killed\n"
        assert len(running.processes()) == 1 + 6 + 2 * 3
        running.order("heal", "lb-c1")
        assert running.condition("lb-c1") == "runs"

        unknown = running.order("kill", "zoneb")
        assert (unknown.returncode, unknown.stdout) == (1, "")
        assert 'did you mean "zone-b"?' in unknown.stderr

        running.order("kill", "app-b2")
        running.order("cut", "app-c1")
        assert running.order("heal").stdout == "app-b2: started again\napp-c1: runs again\n"
        assert running.order("heal").stdout == "everything runs\n"

        running.order("cut", "zone-a")
        assert running.end(signal.SIGINT) == 0
        assert (running.processes(), running.files()) == ([], [])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_ended_while_it_starts(number: signal.Signals) -> None:
    with dev() as running:
        wait_for(lambda: len(running.processes()) > 5, "processes started")

        assert running.end(number) == 0
        assert (running.processes(), running.files()) == ([], [])


def test_killed_outright_its_processes_die_frozen_ones_too_and_the_next_one_clears_up() -> None:
    with dev() as running:
        running.wait_for_output(UP)
        running.order("cut", "zone-c")

        running.end(signal.SIGKILL)
        wait_for(lambda: not running.processes(), "end of all processes")
        assert "no `lbmesh dev` of yours runs" in running.order("names").stderr


def test_a_replica_that_ends_by_itself_is_told() -> None:
    with dev() as running:
        running.wait_for_output(UP)
        who = httpx.get(shop_url(running) + "whoami").json()
        os.kill(who["pid"], signal.SIGTERM)

        running.wait_for_output(f"{who['replica']} was ended by SIGTERM")
        assert running.condition(who["replica"]) == "ended by itself"
        running.wait_for_output(f"lb-a1 sees down: {who['replica']}")
        running.order("heal", who["replica"])
        running.wait_for_output("sees everyone alive and up")
        assert running.end(signal.SIGTERM) == 0


def test_an_interrupted_demo_leaves_nothing() -> None:
    with dev("demo") as running:
        running.wait_for_output("replica app-a1 killed")

        assert running.end(signal.SIGINT) == 128 + signal.SIGINT
        assert (running.processes(), running.files()) == ([], [])
