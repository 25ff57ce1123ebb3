"""The verbs: what they parse, print and return, and what `lbmesh run` must not load."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbmesh import cli
from lbmesh.control.processes import AgentOptions, ForwarderOptions
from lbmesh.dev.configuration import balancer_config, write_key_files
from lbmesh.dev.place import own_place
from lbmesh.dev.world import make_world
from lbmesh.model.address import Address
from lbmesh.sentinel.commands import agent_command, forwarder_command


@contextmanager
def closed_port() -> Iterator[int]:
    """A port that is bound and does not listen, so that nobody else takes it."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


CONFIG = """\
[node]
name = "lb-a1"
zone = "zone-a"

[admin]
bind = "127.0.0.1:9900"

[[listener]]
bind = "127.0.0.1:8080"

[[service]]
name = "shop"
hosts = ["*"]
replicas = [{ address = "10.0.1.20:8080", zone = "zone-a" }]
"""

_NUMBERS = st.integers(0, 1000)
_LEVELS = st.sampled_from(["debug", "info", "warning", "error"])
_PATHS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1).map(lambda name: "/etc/" + name)


@given(
    st.builds(
        AgentOptions,
        _PATHS.map(Path),
        *(_NUMBERS,) * 5,
        admin_fd=st.none() | _NUMBERS,
        gossip_fd=st.none() | _NUMBERS,
        log_level=_LEVELS,
    )
)
def test_the_agent_gets_the_options_it_was_started_with(options: AgentOptions) -> None:
    command = agent_command(options)
    assert cli.agent_options(cli.child_parser().parse_args(command[command.index("lbmesh") + 1 :])) == options


@given(
    st.builds(
        ForwarderOptions,
        *(_NUMBERS,) * 3,
        st.lists(_NUMBERS).map(tuple),
        access_log=st.sampled_from(["stdout", "off"]) | _PATHS,
        log_level=_LEVELS,
    )
)
def test_a_forwarder_gets_the_options_it_was_started_with(options: ForwarderOptions) -> None:
    command = forwarder_command(options)
    assert cli.forwarder_options(cli.child_parser().parse_args(command[command.index("lbmesh") + 1 :])) == options


def test_check_says_every_error_and_returns_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "lbmesh.toml"
    file.write_text("[nod]\n\n[[listener]]\nbind = 80\n")
    assert cli.main(["check", "-c", str(file)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert f"{file}:4: listener #1: bind: found 80" in "\n".join(lines)
    assert cli.main(["check", "--json", "-c", str(file)]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert (answer["ok"], answer["errors"]) == (False, lines)


def test_run_refuses_a_broken_configuration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = tmp_path / "missing.toml"
    assert cli.main(["run", "-c", str(missing)]) == 1
    assert f"{missing}: cannot be read" in capsys.readouterr().err


def test_status_of_a_node_whose_configuration_is_broken_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["status", "-c", str(tmp_path / "missing.toml")]) == 1
    assert "cannot be read" in capsys.readouterr().err


def test_a_token_file_that_others_may_read_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    token_file = tmp_path / "token"
    token_file.write_text("secret\n")
    token_file.chmod(0o644)
    assert cli.main(["status", "--token-file", str(token_file)]) == 1
    assert "chmod 0600" in capsys.readouterr().err


@pytest.mark.parametrize("content", ["sécret-ä\n", "secret-a\nsecret-b\n", "secret a\n", ""])
def test_a_token_file_must_hold_one_word_which_is_never_shown(
    tmp_path: Path, content: str, capsys: pytest.CaptureFixture[str]
) -> None:
    token_file = tmp_path / "token"
    token_file.write_text(content)
    token_file.chmod(0o600)
    with closed_port() as port:
        assert cli.main(["status", "--token-file", str(token_file), "--admin", f"127.0.0.1:{port}"]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"{token_file}: is no admin token: it must hold one line of printable ASCII")
    assert "cret" not in said.replace(str(token_file), "")


@pytest.mark.parametrize("path", ["", "/tmp"])
def test_a_directory_is_no_token_file(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["status", "--token-file", path]) == 1
    assert capsys.readouterr().err == f"{path or '.'}: cannot be read: it is a directory; write the path of a file\n"


def test_a_port_that_the_kernel_chose_must_be_given(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "lbmesh.toml"
    file.write_text(CONFIG.replace(":9900", ":0"))
    assert cli.main(["status", "-c", str(file)]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"{file}: [admin] bind has port 0, so that the kernel chose one")
    assert "give --admin ADDRESS" in said


@pytest.mark.parametrize(
    ("action", "meant"), [("rotate", "`lbmesh keys use 'the old'`"), ("list", "`lbmesh keys` shows them all")]
)
def test_a_key_where_none_is_taken_is_refused(action: str, meant: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["keys", action, "the old"]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f'lbmesh keys {action}: takes no key, and there is "the old": ')
    assert meant in said


@pytest.mark.parametrize("seconds", ["nan", "-1", "inf", "1e9", "soon"])
def test_a_wait_that_is_none_is_refused(seconds: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exited:
        cli.main(["keys", "rotate", "--wait", seconds])
    assert exited.value.code == 2
    said = capsys.readouterr().err
    assert f'argument --wait: found "{seconds}"; write seconds from 0 to 86400, such as 30' in said


@pytest.mark.parametrize("verb", ["run", "check", "status", "explain member n1", "keys"])
def test_an_unknown_option_is_told_with_the_usage_of_its_verb(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exited:
        cli.main([*verb.split(), *(["-c", "x"] if verb in ("run", "check") else []), "--foo"])
    assert exited.value.code == 2
    said = capsys.readouterr().err
    assert f"usage: lbmesh {verb.split()[0]} " in said
    assert "unrecognized arguments: --foo" in said


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    """A configuration that `lbmesh check` finds fine."""
    file = tmp_path / "lbmesh.toml"
    file.write_text(CONFIG)
    return file


PRINTING = ("check -c FILE", "check --json -c FILE", "--help", "--version", "run --help", "dev --help")
BUFFERED = (("PYTHONUNBUFFERED", ""), ("PYTHONUNBUFFERED", "1"))


@pytest.mark.parametrize("buffered", BUFFERED)
@pytest.mark.parametrize("arguments", PRINTING)
def test_output_that_nobody_reads_any_more_ends_a_verb_quietly(
    arguments: str, buffered: tuple[str, str], sound: Path
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as nobody:
        ended = lbmesh(arguments.replace("FILE", str(sound)), nobody, buffered)
    assert (ended.returncode, ended.stderr) == (141, "")


@pytest.mark.parametrize("arguments", ["--help", "--version"])
def test_that_output_failed_is_known_though_argparse_keeps_it_to_itself(arguments: str) -> None:
    """As it does in later versions than some that this runs on."""
    as_later = """if True:
        import argparse, sys
        from lbmesh.cli import main

        def print_message(self, message, file=None):
            try:
                (file or sys.stderr).write(message)
            except OSError:
                pass

        argparse.ArgumentParser._print_message = print_message
        sys.exit(main())
    """
    with open("/dev/full", "wb") as full:
        command = [sys.executable, "-u", "-c", as_later, arguments]
        ended = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr.startswith("lbmesh: cannot write to standard output: No space left on device")


@pytest.mark.parametrize("buffered", BUFFERED)
@pytest.mark.parametrize("arguments", PRINTING)
def test_output_that_cannot_be_written_is_told(arguments: str, buffered: tuple[str, str], sound: Path) -> None:
    with open("/dev/full", "wb") as full:
        ended = lbmesh(arguments.replace("FILE", str(sound)), full, buffered)
    assert (ended.returncode, ended.stderr) == (
        1,
        "lbmesh: cannot write to standard output: No space left on device; make room there, or send it elsewhere\n",
    )


def lbmesh(arguments: str, output: BinaryIO, variable: tuple[str, str]) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "lbmesh", *arguments.split()]
    environment = os.environ | dict([variable])
    return subprocess.run(command, stdout=output, stderr=subprocess.PIPE, text=True, check=False, env=environment)


def test_a_path_of_any_bytes_can_be_checked() -> None:
    command = [sys.executable, "-m", "lbmesh", "check", "-c", "/none/\udcff.toml"]
    strict = {**os.environ, "PYTHONIOENCODING": "utf-8:strict"}
    ended = subprocess.run(command, capture_output=True, env=strict, check=False)
    assert (ended.returncode, ended.stderr) == (1, b"")
    assert ended.stdout.startswith(b"/none/?.toml: cannot be read")


@pytest.mark.parametrize("arguments", [["fly"], ["run"], ["status", "-c", "x", "--admin", "127.0.0.1:9900"]])
def test_wrong_usage_exits_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exited:
        cli.main(arguments)
    assert exited.value.code == 2
    said = capsys.readouterr().err
    assert "usage: lbmesh" in said
    assert "internal" not in said


def test_without_a_verb_there_is_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 2
    said = capsys.readouterr().err
    assert all(verb in said for verb in ("run", "check", "status", "dev"))
    assert "internal" not in said


def test_an_admin_address_is_judged_as_the_configuration_s_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exited:
        cli.main(["status", "--admin", "::1:9900"])
    assert exited.value.code == 2
    assert 'an IPv6 address needs brackets: write "[::1]:9900"' in capsys.readouterr().err


def test_a_node_that_does_not_answer_is_told_without_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    with closed_port() as port:
        assert cli.main(["status", "--admin", f"127.0.0.1:{port}"]) == 1
    said = capsys.readouterr().err
    assert f"cannot ask 127.0.0.1:{port}: connection refused. Is lbmesh running there" in said


def test_status_that_was_not_told_whom_to_ask_names_the_nodes_of_a_dev_mesh(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    world = make_world(lambda _host, wanted, _transport: wanted)
    with closed_port() as port:
        monkeypatch.setattr(cli, "_DEFAULT_ADMIN", Address("127.0.0.1", port))
        assert cli.main(["status"]) == 1
        assert "with --admin ADDRESS, or with -c FILE" in capsys.readouterr().err
        with own_place() as place:
            write_key_files(world, place, b"k" * 32)
            (place / "lb-a1.toml").write_text(balancer_config(world.balancers[0], world, place))
            assert cli.main(["status"]) == 1
    assert "`lbmesh dev` has nodes at 127.0.1.1:9900" in capsys.readouterr().err


def test_the_sentinel_stays_light(tmp_path: Path) -> None:
    program = (
        "import sys, lbmesh.cli, lbmesh.sentinel.main\n"
        f"lbmesh.cli.main(['run', '-c', {str(tmp_path / 'missing.toml')!r}])\n"
        "heavy = {'trio', 'httpx', 'h11', 'structlog', 'cryptography', 'asyncio', 'logging', 'ssl'}\n"
        "print(*sorted(heavy & set(sys.modules)))\n"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout.split() == []


def test_another_package_adds_a_verb_by_its_entry_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "juggler.py").write_text("def verb(arguments): return len(arguments)\n")
    about = tmp_path / "juggler-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Name: juggler\nVersion: 1\n")
    (about / "entry_points.txt").write_text("[lbmesh.verbs]\njuggle = juggler:verb\nrun = juggler:verb\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert cli.main(["juggle", "three", "balls", "--high"]) == 3
    with pytest.raises(SystemExit, match="2"):
        cli.main(["run", "is", "still", "ours"])


@pytest.mark.parametrize("verb", ["lab", "drill"])
def test_a_verb_of_a_package_that_is_missing_says_what_to_install(
    verb: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.metadata.entry_points", lambda **_: ())
    assert cli.main([verb, "up"]) == 1
    assert "pip install lbmesh-chaos" in capsys.readouterr().err
