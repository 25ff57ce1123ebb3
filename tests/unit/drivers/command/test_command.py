"""The driver that runs a program: real programs, in their own words, on a real clock."""

import os
from collections.abc import Awaitable, Callable, Iterator
from math import inf
from pathlib import Path
from time import monotonic

import pytest
import trio
import trio.testing

from lbmesh.drivers.command import driver as command_driver
from lbmesh.drivers.command.driver import CommandFronts
from lbmesh.drivers.command.limits import LINE_CHARACTERS_MAX, OUTPUT_MAX
from lbmesh.drivers.command.program import Tail
from lbmesh.failover.orders import Acquire, Done, Drifted, Failed, Outdated, Release, Renew, Told, Unfinished, Unready
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
    """Which ends, whatever the programs do."""

    async def within() -> None:
        with trio.fail_after(2 * PATIENCE_S):
            await check()

    trio.run(within)


@pytest.fixture
def typed() -> Iterator[None]:
    """Something is in this process's standard input."""
    before, (reading, writing) = os.dup(0), os.pipe()
    os.write(writing, b"typed\n")
    os.close(writing)
    os.dup2(reading, 0)
    yield
    os.dup2(before, 0)
    os.close(reading)
    os.close(before)


@pytest.mark.usefixtures("typed")
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
        assert await program.fronts.release(program.release()) == Done(NAME, 2), "nothing was done"
        program.write("exit 1")
        assert isinstance(await program.fronts.acquire(program.acquire()), Failed)
        program.path.unlink()
        outcome = await program.fronts.release(program.release())
        assert outcome == Failed(NAME, 2, f"{program.path} cannot be run: no such file or directory")

    run(check)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("#!/no/such/sh\n", "what its first line names after #! is not there"),
        ("exit 0\n", 'it is no program; begin it with a line such as "#!/bin/sh"'),
    ],
)
def test_a_first_line_that_is_wrong_is_named(tmp_path: Path, text: str, why: str) -> None:
    program = Program(tmp_path, "exit 0")
    program.path.write_text(text)

    async def check() -> None:
        outcome = await program.fronts.acquire(program.acquire())
        assert outcome == Failed(NAME, 1, f"{program.path} cannot be run: {why}")

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


def test_only_the_end_of_what_it_writes_is_kept() -> None:
    tail = Tail()

    async def check() -> None:
        writing, reading = trio.testing.memory_stream_one_way_pair()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(tail.read, reading)
            await writing.send_all(2 * OUTPUT_MAX * b"x" + b"\n\x1b[2Jend\n\n")
            await writing.aclose()

    run(check)
    assert len(tail.kept) == OUTPUT_MAX
    assert tail.last_line == "?[2Jend"


def test_it_is_stopped_when_the_right_lapses_and_goes_on_when_that_is_renewed(tmp_path: Path) -> None:
    program = Program(tmp_path, "until [ -e go ]; do sleep 0.01; done")

    async def check() -> None:
        with trio.fail_after(PATIENCE_S / 2):
            outcome = await program.fronts.acquire(program.acquire(until_s=monotonic() + 0.3))
        assert outcome == Failed(NAME, 1, f"{program.path} was stopped, for the votes for the front have lapsed")
        outcomes: list[object] = []

        async def acquire() -> None:
            outcomes.append(await program.fronts.acquire(program.acquire(until_s=monotonic() + 1.0)))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(acquire)
            await trio.testing.wait_all_tasks_blocked()
            program.fronts.renew(Renew(program.front, 7, monotonic() + PATIENCE_S))
            await trio.sleep(1.1)
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
        told: list[Told] = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(program.fronts.watch, program.front, told.append)
            await trio.sleep(0.1)
            assert not (tmp_path / "checked").exists(), "nothing is held yet"
            await program.fronts.acquire(program.acquire())
            await until(lambda: bool(told))
            assert told[0] == Drifted(NAME, "it is led elsewhere: server 4711")
            nursery.cancel_scope.cancel()

    run(check)


def test_a_program_that_could_not_be_run_is_told_of_before_it_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command_driver, "LOOK_S", 0.02)
    program = Program(tmp_path, "exit 0")
    program.path.unlink()

    async def check() -> None:
        told: list[Told] = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(program.fronts.watch, program.front, told.append)
            await until(lambda: len(told) == 1)
            program.path.touch(0o644)
            await until(lambda: len(told) == 2)
            program.write("exit 0")
            await until(lambda: len(told) == 3)
            nursery.cancel_scope.cancel()
        assert told == [
            Unready(NAME, f"there is no program {program.path}: install it, or correct options.run"),
            Unready(NAME, f"{program.path} may not be executed: chmod +x it for the service's user"),
            Unready(NAME, ""),
        ]

    run(check)


def test_a_check_that_cannot_tell_changes_nothing(tmp_path: Path) -> None:
    program = Program(tmp_path, "[ $1 != check ] && exit 0; echo x >> checked; exit 1", check_s=0.02)

    async def check() -> None:
        told: list[Told] = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(program.fronts.watch, program.front, told.append)
            await program.fronts.acquire(program.acquire())
            await program.file("checked")
            await until(lambda: (tmp_path / "checked").read_text().count("x") >= 3)
            nursery.cancel_scope.cancel()
        words = f"it is not known where it is led: {program.path} failed with exit status 1"
        assert told == [Unready(NAME, words)]

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


def test_a_check_waits_for_the_order_that_is_under_way(tmp_path: Path) -> None:
    program = Program(
        tmp_path,
        "[ $1 = check ] && { [ -e slow ] && echo > both; exit 0; }\n"
        "[ -e slow ] || exit 0; echo > acquiring; until [ -e go ]; do sleep 0.01; done; rm slow",
        check_s=0.02,
    )

    async def check() -> None:
        async with trio.open_nursery() as nursery:
            await program.fronts.acquire(program.acquire())
            (tmp_path / "slow").touch()
            nursery.start_soon(program.fronts.acquire, program.acquire(8))
            await program.file("acquiring")
            nursery.start_soon(program.fronts.watch, program.front, lambda _: None)
            await trio.sleep(0.3)
            (tmp_path / "go").touch()
            await until(lambda: not (tmp_path / "slow").exists())
            nursery.cancel_scope.cancel()

    run(check)
    assert not (tmp_path / "both").exists()


def test_what_never_ends_has_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = Program(tmp_path, "exit 75")

    async def check() -> None:
        assert isinstance(await program.fronts.acquire(program.acquire()), Unfinished)
        monkeypatch.setattr(command_driver, "UNFINISHED_MAX_S", 0.0)
        outcome = await program.fronts.acquire(program.acquire())
        assert outcome == Failed(NAME, 1, f"{program.path} has not come to an end in 0 s")
        monkeypatch.setattr(command_driver, "UNFINISHED_MAX_S", 1000.0)
        assert isinstance(await program.fronts.acquire(program.acquire()), Unfinished)
        await program.fronts.release(program.release())
        await trio.sleep(0.1)
        monkeypatch.setattr(command_driver, "UNFINISHED_MAX_S", 0.1)
        outcome = await program.fronts.acquire(program.acquire())
        assert isinstance(outcome, Unfinished), "another claim, another patience"

    run(check)
