"""Names that a client asks its resolver for, and goes on with when there is none."""

import socket

import pytest

from lbmesh_chaos.load.directory import Directory


def test_addresses_stand_for_themselves_and_nobody_is_waited_for() -> None:
    directory = Directory(["10.1.1.1:80", "[fd00::1]:80"])
    assert directory.now == ("10.1.1.1:80", "[fd00::1]:80")


def test_a_name_stands_for_all_its_addresses_each_once() -> None:
    directory = Directory(["localhost:80", "127.0.0.1:80"])
    directory.close()
    assert directory.now.count("127.0.0.1:80") == 1


def test_a_name_that_nobody_knows_at_the_start_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", _nobody_answers)
    with pytest.raises(socket.gaierror):
        Directory(["shop.lab:80"])


def test_the_last_answer_stands_while_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    directory = Directory(["localhost:80"])
    directory.close()
    before = directory.now
    monkeypatch.setattr(socket, "getaddrinfo", _nobody_answers)
    directory.refresh()
    assert directory.now == before


def test_a_change_is_taken_up(monkeypatch: pytest.MonkeyPatch) -> None:
    directory = Directory(["localhost:80"])
    directory.close()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(0, 0, 0, "", ("10.9.9.9", 80))])
    directory.refresh()
    assert directory.now == ("10.9.9.9:80",)


def _nobody_answers(*_: object, **__: object) -> None:
    raise socket.gaierror(socket.EAI_AGAIN, "nobody answers")
