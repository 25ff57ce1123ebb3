"""What an agent does for a drill: to its own sentinel's forwarders, for a while, and to no other process."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.support import proc
from tests.support.wait import wait_for

AGENT = """
import subprocess, sys
import structlog, trio
from lbmesh.admin.drill_shapes import DrillFault, DrillOrder, DrillPart
from lbmesh.agent.drill_hands import DrillHands

structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))

async def main():
    own = subprocess.Popen(["sleep", "100"])
    siblings = [int(word) for word in sys.argv[1:]]
    async with trio.open_nursery() as nursery:
        hands = DrillHands(lambda: [own.pid, *siblings], nursery)
        while line := await trio.to_thread.run_sync(sys.stdin.readline):
            match line.split():
                case [fault, part, at_most_s]:
                    said = hands.order(DrillOrder(DrillFault(fault), DrillPart(part), float(at_most_s)))
                case [verb]:
                    said = getattr(hands, verb)()
            print(said.done, said.what, len(hands.standing()), own.poll(), flush=True)
        own.kill()
        nursery.cancel_scope.cancel()

trio.run(main)
"""
"""Its sentinel is the test: the processes that the test started are its forwarders; its own child is none."""


class Agent:
    """Told line by line."""

    def __init__(self, process: "subprocess.Popen[str]", forwarders: list["subprocess.Popen[bytes]"]) -> None:
        self.process = process
        self.forwarders = forwarders

    def told(self, line: str) -> str:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def states(self) -> list[str]:
        return [proc.stat(one.pid).state for one in self.forwarders]


@pytest.fixture
def agent() -> Iterator[Agent]:
    with ExitStack() as stack:
        forwarders = [stack.enter_context(subprocess.Popen(["sleep", "100"])) for _ in range(2)]
        words = (sys.executable, "-c", AGENT, *(str(one.pid) for one in forwarders))
        process = stack.enter_context(subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        yield Agent(process, forwarders)
        process.communicate()
        for one in forwarders:
            one.kill()


def test_what_is_no_child_of_its_sentinel_is_left_alone(agent: Agent) -> None:
    assert agent.told("kill forwarders 1") == "True kill of 2 processes 0 None"
    assert [one.wait(30) for one in agent.forwarders] == [-9, -9]
    assert agent.told("kill forwarders 1").startswith("False no forwarder is linked")


def test_one_forwarder_is_one(agent: Agent) -> None:
    assert agent.told("freeze forwarder 100") == "True freeze of 1 processes 1 None"
    wait_for(lambda: sorted(agent.states()) == ["S", "T"], "one that is stopped")
    assert agent.told("freeze forwarders 100").startswith("False forwarders are frozen already")
    assert agent.told("heal") == "True 1 faults undone 0 None"
    wait_for(lambda: agent.states() == ["S", "S"], "none that is stopped")


def test_what_nobody_heals_heals_itself(agent: Agent) -> None:
    agent.told("freeze forwarders 0.3")
    wait_for(lambda: agent.states() == ["S", "S"], "none that is stopped")
    assert agent.told("heal") == "True 0 faults undone 0 None"


def test_an_agent_that_ends_lets_them_go_on(agent: Agent) -> None:
    agent.told("freeze forwarders 100")
    agent.process.communicate()
    wait_for(lambda: agent.states() == ["S", "S"], "none that is stopped")


def test_after_the_button_nothing_is_done(agent: Agent) -> None:
    agent.told("freeze forwarders 100")
    assert agent.told("abort").startswith("True 1 faults undone 0")
    wait_for(lambda: agent.states() == ["S", "S"], "none that is stopped")
    assert agent.told("kill forwarders 1").startswith("False the drill was aborted; orders are refused for")
