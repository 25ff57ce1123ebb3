"""The driver that runs a program: real programs, in their own words, on a real clock."""

import os
from collections.abc import Awaitable, Callable
from math import inf
from pathlib import Path
from time import monotonic

import pytest
import trio

from lbmesh.drivers.command.driver import CommandFronts
from lbmesh.drivers.command.limits import LINE_CHARACTERS_MAX
from lbmesh.failover.orders import Acquire, Done, Drifted, Failed, Found, Outdated, Release, Renew, Unfinished
from lbmesh.model.address import Address
from lbmesh.model.front import CommandDriver, Front, FrontClass
from tests.support import proc
from tests.support.wait import PATIENCE_S

NAME = "198.51.100.8"


class Program:
    """A script, the front that it moves, and the driver."""

    def __init__(self, directory: Path, text: str, timeout_s: float = PATIENCE_S, check_s: float = 0.0) -> None:
        self.directory = directory
        self.path = directory / "move-front"
        self.write(text)
        driver = CommandDriver(self.path, timeout_s, check_s)
        self.front = Front(Address(NAME, 443), "zone-a", front_class=FrontClass.EXCLUSIVE, driver=driver)
        self.fronts = CommandFronts("lb-a1", "zone-a")

    def write(self, text: str) -> None:
        fresh = self.path.with_suffix(".new")
        fresh.write_text(f"#!/bin/sh\ncd {self.directory}\n{text}\n")
        fresh.chmod(0o755)
        fresh.rename(self.path)

    def acquire(self, epoch: int = 7, until_s: float = inf) -> Acquire:
        return Acquire(self.front, epoch, "home", 1, ask_first=True, until_s=until_s)

    def release(self, *, is_fenced: bool = False) -> Release:
        return Release(self.front, 7, "drained", 2, is_fenced)

    async def file(self, name: str) -> str:
        """What it has written to a file, once that is there."""
        path = self.directory / name
        await until(lambda: path.exists() and path.read_text().endswith("\n"))
        return path.read_text()


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what a process does."""
    with trio.fail_after(PATIENCE_S):
        while not condition():  # noqa: ASYNC110
            await trio.sleep(0.01)


def run(check: Callable[[], Awaitable[None]]) -> None:
    trio.run(check)


def test_it_is_told_all_there_is_to_know(tmp_path: Path) -> None:
    program = Program(
        tmp_path,
        'echo "$0|$1|$2|$3|$4|$LBMESH_VERB $LBMESH_ADDRESS $LBMESH_PORT $LBMESH_EPOCH $LBMESH_REASON $LBMESH_NODE '
        '$LBMESH_ZONE" >> told; [ "$(cat)" = "" ]',
    )

    async def check() -> None:
        assert await program.fronts.acquire(program.acquire()) == Done(NAME, 1)
        assert await program.fronts.release(program.release()) == Done(NAME, 2)
        assert await program.fronts.release(program.release(is_fenced=True)) == Done(NAME, 2)

    run(check)
    assert (tmp_path / "told").read_text().splitlines() == [
        f"{program.path}|{verb}|{NAME}|7|{why}|{verb} {NAME} 443 7 {why} lb-a1 zone-a"
        for verb, why in (("acquire", "home"), ("release", "drained"), ("fence", "drained"))
    ]


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ("exit 0", Done(NAME, 1)),
        ("echo no such address >&2; echo; exit 3", Failed(NAME, 1, "{0} failed with exit status 3: no such address")),
        ("exit 1", Failed(NAME, 1, "{0} failed with exit status 1")),
        ("kill -9 $$", Failed(NAME, 1, "{0} was killed by signal 9")),
        ("echo the provider works on it >&2; exit 75", Unfinished(NAME, 1, "{0} says: the provider works on it")),
        ("exit 75", Unfinished(NAME, 1, "{0} says: not yet")),
        ("echo 57; exit 10", Outdated(NAME, 1, 57, "who ran move-front last")),
        ("echo 7; exit 10", Outdated(NAME, 1, 7, "who ran move-front last")),
        *(
            (
                f"echo {said}; exit 10",
                Failed(NAME, 1, "{0} refused the epoch (exit status 10), but wrote no newer one as its last line"),
            )
            for said in ("6", "", "9999999999999999", "many")
        ),
    ],
)
def test_its_exit_status_says_what_came_of_it(tmp_path: Path, text: str, outcome: object) -> None:
    program = Program(tmp_path, text)
    said: list[object] = []

    async def check() -> None:
        said.append(await program.fronts.acquire(program.acquire()))

    run(check)
    if isinstance(outcome, Failed | Unfinished):
        outcome = type(outcome)(outcome.front, outcome.ticket, outcome.reason.format(program.path))
    assert said == [outcome]


def test_a_program_that_cannot_be_run_is_named(tmp_path: Path) -> None:
    program = Program(tmp_path, "exit 0")

    async def check() -> None:
        program.path.chmod(0o644)
        outcome = await program.fronts.acquire(program.acquire())
        assert outcome == Failed(NAME, 1, f"{program.path} cannot be run: permission denied")
        program.path.unlink()
        outcome = await program.fronts.release(program.release())
        assert outcome == Failed(NAME, 2, f"{program.path} cannot be run: no such file or directory")

    run(check)


def test_when_its_time_is_up_nothing_of_it_is_left(tmp_path: Path) -> None:
    program = Program(tmp_path, "sh -c 'echo $$ > child; exec sleep 1000' & echo waits >&2; wait", timeout_s=0.5)

    async def check() -> None:
        outcome = await program.fronts.acquire(program.acquire())
        assert outcome == Failed(NAME, 1, f"{program.path} did not end within 0.5 s: waits")
        child = int(await program.file("child"))
        await until(lambda: not proc.is_alive(child))

    run(check)


def test_a_child_that_it_leaves_behind_is_not_waited_for(tmp_path: Path) -> None:
    program = Program(tmp_path, "sleep 1000 & echo $! > child; exit 0")

    async def check() -> None:
        with trio.fail_after(PATIENCE_S):
            assert await program.fronts.acquire(program.acquire()) == Done(NAME, 1)
        os.kill(int(await program.file("child")), 9)

    run(check)


def test_what_it_writes_is_bounded(tmp_path: Path) -> None:
    program = Program(tmp_path, "yes 0123456789 | head -c 3000000 >&2; printf '\\n%0500d\\a' 1 >&2; exit 1")

    async def check() -> None:
        outcome = await program.fronts.acquire(program.acquire())
        assert outcome == Failed(NAME, 1, f"{program.path} failed with exit status 1: {'0' * LINE_CHARACTERS_MAX}")

    run(check)


def test_it_is_stopped_when_the_right_lapses_and_goes_on_when_that_is_renewed(tmp_path: Path) -> None:
    program = Program(tmp_path, "echo > began; until [ -e go ]; do sleep 0.01; done")

    async def check() -> None:
        outcome = await program.fronts.acquire(program.acquire(until_s=monotonic() + 0.3))
        assert outcome == Failed(NAME, 1, f"{program.path} was stopped, for the votes for the front have lapsed")
        (tmp_path / "began").unlink()
        outcomes: list[object] = []

        async def acquire() -> None:
            outcomes.append(await program.fronts.acquire(program.acquire(until_s=monotonic() + 5.0)))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(acquire)
            await program.file("began")
            program.fronts.renew(Renew(program.front, 7, monotonic() + PATIENCE_S))
            (tmp_path / "go").touch()
        assert outcomes == [Done(NAME, 1)]

    run(check)


def test_that_another_has_it_by_now_is_as_good_as_a_release(tmp_path: Path) -> None:
    program = Program(tmp_path, "echo 9; exit 10")

    async def check() -> None:
        assert await program.fronts.release(program.release(is_fenced=True)) == Done(NAME, 2)
        program.write("exit 75")
        assert isinstance(await program.fronts.release(program.release()), Failed)

    run(check)


def test_what_is_moved_by_hand_is_found_while_the_front_is_held(tmp_path: Path) -> None:
    program = Program(tmp_path, "[ $1 != check ] && exit 0; echo > checked; echo server 4711; exit 11", check_s=0.02)

    async def check() -> None:
        told: list[Drifted | Found] = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(program.fronts.watch, program.front, told.append)
            await trio.sleep(0.1)
            assert not (tmp_path / "checked").exists(), "nothing is held yet"
            await program.fronts.acquire(program.acquire())
            await until(lambda: bool(told))
            assert told[0] == Drifted(NAME, "it is led elsewhere: server 4711")
            nursery.cancel_scope.cancel()

    run(check)


def test_a_check_that_cannot_tell_changes_nothing(tmp_path: Path) -> None:
    program = Program(tmp_path, "[ $1 != check ] && exit 0; echo x >> checked; exit 1", check_s=0.02)

    async def check() -> None:
        told: list[Drifted | Found] = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(program.fronts.watch, program.front, told.append)
            await program.fronts.acquire(program.acquire())
            await program.file("checked")
            await until(lambda: (tmp_path / "checked").read_text().count("x") >= 3)
            nursery.cancel_scope.cancel()
        assert not told

    run(check)


def test_an_order_does_not_wait_for_a_check(tmp_path: Path) -> None:
    program = Program(tmp_path, "[ $1 != check ] && exit 0; echo > checking; sleep 1000", check_s=0.02)

    async def check() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(program.fronts.watch, program.front, lambda _: None)
            await program.fronts.acquire(program.acquire())
            await program.file("checking")
            with trio.fail_after(PATIENCE_S / 2):
                assert await program.fronts.release(program.release(is_fenced=True)) == Done(NAME, 2)
            nursery.cancel_scope.cancel()

    run(check)
