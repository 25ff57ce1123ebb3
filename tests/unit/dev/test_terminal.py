"""What a person gets to see: with and without a terminal."""

import io
import os

import pytest

from lbmesh.dev.ledger import Call, Kind, Ledger
from lbmesh.dev.live import live_lines
from lbmesh.dev.terminal import BOLD, Terminal


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_no_escape_codes_without_a_terminal() -> None:
    out = io.StringIO()
    terminal = Terminal(out)
    terminal.live("first", "line")
    terminal.live("second, too soon for a log")
    terminal.say(terminal.paint("done", BOLD))

    assert out.getvalue() == "first | line\ndone\n"


def test_on_a_terminal_lines_stay_above_the_live_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    out = Tty()
    terminal = Terminal(out)
    terminal.live("live", "and more")
    terminal.say(terminal.paint("news", BOLD))
    terminal.live("live again")

    assert out.getvalue() == "\r\x1b[Jlive\nand more\x1b[1A\r\x1b[J\x1b[1mnews\x1b[0m\n\r\x1b[Jlive again"


def test_no_colour_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")

    assert Terminal(Tty()).paint("plain", BOLD) == "plain"


def test_a_reader_that_is_gone_raises_once() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as stream:
        terminal = Terminal(stream)
        with pytest.raises(BrokenPipeError):
            terminal.say("anybody?")
        terminal.say("nobody")


def test_the_live_lines() -> None:
    ledger = Ledger()
    for n in range(100):
        ledger.add(
            Call("one", Kind.READ, n / 10, n / 10 + 0.004, "", "lb-a1" if n % 2 else "lb-b1", "app-a1", "zone-a")
        )

    assert live_lines(ledger, 9.95) == (
        "100 ok, 0 lost, longest gap 100 ms; last second: p50 4.0 ms, p99 4.0 ms",
        "by lb-a1 5 lb-b1 5",
        "from app-a1 10",
    )
    assert live_lines(Ledger(), 1.0)[1:] == ("by nobody", "from nobody")
