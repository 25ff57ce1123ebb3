"""The gossip benchmark's networks: made, broken, healed and removed, also what a killed run left."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench.gossip import faults
from tests.bench.gossip.namespaces import DIRECTORY, address, load_rules, maker_of, network, remove_leftovers
from tests.support.wait import wait_for

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("ip") or not shutil.which("nft"),
    reason="needs root, and: apt-get install iproute2 nftables",
)

_TALK = """
import socket, sys
own, other = sys.argv[1:]
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mouth, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ear:
    ear.bind((own, 7000))
    ear.settimeout(10.0)
    print("listening", flush=True)
    for line in sys.stdin:
        if line.startswith("say"):
            mouth.sendto(line.split()[1].encode(), (other, 7000))
        else:
            print(ear.recv(9).decode(), flush=True)
"""

_ABANDON = """
import sys
from tests.bench.gossip.namespaces import network
with network("left", 2) as names:
    print(" ".join(names), flush=True)
    sys.stdin.read()
"""


class Talker:
    """A process in a namespace that says and hears words when told."""

    def __init__(self, namespace: str, number: int, other: int) -> None:
        self.process = subprocess.Popen(
            ("ip", "netns", "exec", namespace, sys.executable, "-c", _TALK, address(number), address(other)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.read() == "listening"

    def say(self, word: str) -> None:
        self._tell(f"say {word}")

    def hear(self) -> str:
        self._tell("hear")
        return self.read()

    def _tell(self, what: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{what}\n")
        self.process.stdin.flush()

    def read(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def received(self) -> int:
        """Packets that came in at eth0."""
        devices = Path(f"/proc/{self.process.pid}/net/dev").read_text()
        return int(devices.partition("eth0:")[2].split()[1])

    def __enter__(self) -> "Talker":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()


def test_nodes_hear_each_other_but_for_a_fault_and_nothing_is_left() -> None:
    with (
        network("test", 3) as names,
        Talker(names[0], 0, 1) as one,
        Talker(names[1], 1, 0) as two,
    ):
        one.say("first")
        assert two.hear() == "first"
        assert two.received() == 1, "something else than the node's words is on its cable"
        rules = faults.split({1}, 3)
        load_rules([(names[number], script) for number, script in rules.items()])
        # It comes as far as the node's own hook, so that its sender is not told.
        one.say("dropped")
        wait_for(lambda: two.received() == 2, "word on the cable")
        load_rules([(names[number], faults.HEAL) for number in rules])
        one.say("last")
        assert two.hear() == "last"
    assert not any((DIRECTORY / name).exists() for name in names)


def test_a_rule_that_nft_refuses_is_said() -> None:
    with network("test", 1) as (name,), pytest.raises(RuntimeError, match="nft refused"):
        load_rules([(name, "no such statement\n")])


def test_what_a_killed_run_left_is_removed_and_what_a_living_one_has_stays() -> None:
    argv = (sys.executable, "-c", _ABANDON)
    with (
        network("own", 1) as own,
        subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as run,
    ):
        assert run.stdout is not None
        left = run.stdout.readline().split()
        assert {(maker_of(name) or (0, 0))[0] for name in left} == {run.pid}
        assert not {*left} & {*remove_leftovers()}, "it lives"
        inside = Talker(left[0], 0, 1).process
        run.send_signal(signal.SIGKILL)
        run.wait()
        assert {*left} <= {*remove_leftovers()}
        assert inside.wait(60) == -signal.SIGKILL
        inside.communicate()
        assert not any((DIRECTORY / name).exists() for name in left)
        assert all((DIRECTORY / name).exists() for name in own)
