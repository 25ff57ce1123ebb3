"""The verbs: what they parse, print and return, and what `lbmesh run` must not load."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbmesh import cli
from lbmesh.control.processes import AgentOptions, ForwarderOptions
from lbmesh.sentinel.commands import agent_command, forwarder_command

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
    assert cli.agent_options(cli.build_parser().parse_args(command[command.index("lbmesh") + 1 :])) == options


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
    assert cli.forwarder_options(cli.build_parser().parse_args(command[command.index("lbmesh") + 1 :])) == options


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


@pytest.mark.parametrize("arguments", [[], ["fly"], ["run"], ["status", "-c", "x", "--admin", "y"]])
def test_wrong_usage_exits_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exited:
        cli.main(arguments)
    assert exited.value.code == 2
    assert "usage: lbmesh" in capsys.readouterr().err


def test_the_sentinel_stays_light(tmp_path: Path) -> None:
    program = (
        "import sys, lbmesh.cli, lbmesh.sentinel.main\n"
        f"lbmesh.cli.main(['run', '-c', {str(tmp_path / 'missing.toml')!r}])\n"
        "heavy = {'trio', 'httpx', 'h11', 'structlog', 'cryptography', 'asyncio', 'logging', 'ssl'}\n"
        "print(*sorted(heavy & set(sys.modules)))\n"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout.split() == []
