"""The verbs of `lbmesh lab`."""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from lbmesh_chaos.lab import clocks
from lbmesh_chaos.lab.client import LabClient, LabError, NoLabError
from lbmesh_chaos.lab.shell import run_inside
from lbmesh_chaos.lab.start import StartError, Up, labs, start
from lbmesh_chaos.lab.status import as_json, as_text
from lbmesh_chaos.model.world import World
from lbmesh_chaos.model.world_file import parse_world, valid_name

LAB_VARIABLE = "LBMESH_LAB"
"""Of the command of `lbmesh lab run`: the lab's name. The other verbs take it for the lab that is meant."""
_PACKAGES = {"ip": "iproute2", "tc": "iproute2", "nft": "nftables", "unshare": "util-linux", "nsenter": "util-linux"}
SHIPPED = Path(__file__).parents[2] / "worlds"
"""World files of the checkout that this package is in."""

_EPILOG = """\
up FILE             bring a world up, and leave it up; FILE may be the name of one that is shipped: three-zones
status              what is in it, what runs, which faults stand
shell HOST [CMD…]   a shell in a host, or one command; also in a zone's router (router-zone-a) and the backbone
run FILE [-- CMD…]  bring a world up for as long as a command runs, by default until Ctrl-C; the command has the
                    lab's name in LBMESH_LAB, and so the other verbs mean that lab
down                end it

Everything of a lab lives in namespaces of its own, with no way to the machine's network. When its first process ends,
however it ends, the kernel removes all of it. Needs root.
"""


def main(arguments: Sequence[str]) -> int:
    """Run one verb; the exit code. Usage errors end with 2."""
    words, command = _split(arguments)
    parsed = _parser().parse_args(words)
    if command:
        parsed.command = command
    if parsed.verb is None:
        _parser().print_help(sys.stderr)
        return 2
    wanting = _wanting()
    if wanting:
        return _fail(*wanting)
    try:
        return _operate(parsed)
    except (NoLabError, LabError, StartError) as error:
        return _fail(f"lbmesh lab {parsed.verb}: {error}")


def _operate(parsed: argparse.Namespace) -> int:
    match parsed.verb:
        case "up":
            return _up(parsed)
        case "run":
            return _run(parsed)
        case "down":
            with LabClient(_meant(parsed.name)) as lab:
                lab.down()
            return 0
        case "status":
            with LabClient(_meant(parsed.name)) as lab:
                print(as_json(lab.state()) if parsed.json else as_text(lab.state(), time.monotonic()))
            return 0
        case "shell":
            with LabClient(_meant(parsed.name)) as lab:
                namespaces = lab.namespaces(parsed.host)
            return run_inside(namespaces, parsed.host, parsed.command)
        case _:
            raise AssertionError(parsed.verb)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lbmesh lab",
        description="A world of zones on this machine, in namespaces of its own.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(dest="verb", metavar="VERB")
    up, run = verbs.add_parser("up", help="bring a world up"), verbs.add_parser("run", help="a world for one command")
    for one in (up, run):
        one.add_argument("file", metavar="FILE", help="a world file, or the name of one that is shipped")
        one.add_argument("--name", help="the lab's name; default: the world's")
    run.usage = "lbmesh lab run [-h] [--name NAME] FILE [-- CMD ...]"
    run.set_defaults(command=[])
    down = verbs.add_parser("down", help="end a lab; nothing of it is left")
    status = verbs.add_parser("status", help="what is in a lab, and what runs")
    status.add_argument("--json", action="store_true", help="print a JSON object")
    shell = verbs.add_parser("shell", help="a shell in a host, or a command")
    for one in (down, status):
        one.add_argument("name", metavar="LAB", nargs="?", help="which lab; needless when there is only one")
    shell.add_argument("--name", metavar="LAB", help="which lab; needless when there is only one")
    shell.add_argument("host", metavar="HOST")
    shell.add_argument("command", metavar="CMD", nargs=argparse.REMAINDER)
    return parser


def _split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """What is for `run` itself, and the command after "--". Other verbs have theirs at their end, as it stands."""
    words = list(arguments)
    if words[:1] == ["run"] and "--" in words:
        at = words.index("--")
        return words[:at], words[at + 1 :]
    return words, []


def _wanting() -> list[str]:
    """What this machine, or this user, lacks for a lab."""
    if os.geteuid() != 0:
        what = "make network namespaces and mounts, which only root may; run it again with sudo"
        return [f"lbmesh lab: needs root: its first act is to {what}"]
    missing = [name for name in _PACKAGES if shutil.which(name, path=_search_path()) is None]
    if not missing:
        return []
    packages = " ".join(dict.fromkeys(_PACKAGES[name] for name in missing))
    return [f"lbmesh lab: needs {', '.join(missing)}; on Debian: apt-get install {packages}"]


def _search_path() -> str:
    """PATH, and where Debian has what is for root, which a plain `su` leaves out."""
    return f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


def _up(parsed: argparse.Namespace) -> int:
    up = _start(parsed, dies_with_us=False)
    print(f'lab "{up.name}" is up: made in {up.made_s:.2f} s, ready in {up.ready_s:.2f} s')
    print("next: `lbmesh lab status`, `lbmesh lab shell HOST`, `lbmesh lab down`")
    return 0


def _run(parsed: argparse.Namespace) -> int:
    up = _start(parsed, dies_with_us=True)
    try:
        if parsed.command:
            return subprocess.run(parsed.command, env={**os.environ, LAB_VARIABLE: up.name}, check=False).returncode
        print(f'lab "{up.name}" is up for as long as this runs; Ctrl-C ends it', flush=True)
        return signal.SIGINT + 128 if _wait(up) else 0
    except FileNotFoundError as error:
        return _fail(f"lbmesh lab run: {error.filename}: no such command")
    finally:
        up.holder.kill()
        up.holder.wait()


def _wait(up: Up) -> bool:
    """Wait for the lab's end; whether Ctrl-C was it."""
    try:
        up.holder.wait()
    except KeyboardInterrupt:
        return True
    return False


def _start(parsed: argparse.Namespace, *, dies_with_us: bool) -> Up:
    """Raises StartError."""
    os.environ["PATH"] = _search_path()
    file = _world_file(parsed.file)
    try:
        text = file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise StartError(f"{file}: cannot be read: {error}") from error
    world = parse_world(text, file=str(file))
    if not isinstance(world, World):
        raise StartError("\n".join(["the world file is not right", *map(str, world)]))
    if world.clocks and clocks.library() is None:
        raise StartError(f"{file}: clocks: needs {clocks.PACKAGE}; on Debian: apt-get install {clocks.PACKAGE}")
    try:
        lab = valid_name(parsed.name or world.name)
    except ValueError as error:
        raise StartError(f"--name: {error}") from error
    return start(lab, text, str(file), dies_with_us=dies_with_us)


def _world_file(name: str) -> Path:
    """A path, or the name of a world that this checkout ships."""
    shipped = SHIPPED / f"{name}.toml"
    return shipped if "/" not in name and not Path(name).exists() and shipped.exists() else Path(name)


def _meant(name: str | None) -> str:
    """The lab that was named, by a word or by the environment, or the only one there is. Raises NoLabError."""
    named = name or os.environ.get(LAB_VARIABLE)
    if named:
        return named
    match labs():
        case [only]:
            return only
        case []:
            raise NoLabError("no lab is up; `lbmesh lab up FILE` brings one up")
        case several:
            raise NoLabError(f"several labs are up: {', '.join(several)}; say which one is meant")


def _fail(*lines: str) -> int:
    print(*lines, sep="\n", file=sys.stderr)
    return 1
