"""What the verbs make of a server that is slow, endless, or no node of this release: words, soon, and exit code 1."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import unquote_to_bytes

import pytest

from lbmesh.admin import client
from lbmesh.admin.client import Asked, ask, other_release
from lbmesh.admin.explain import run_explain
from lbmesh.admin.keys import KeysNode, run_keys
from lbmesh.admin.status import run_status
from lbmesh.model.address import Address
from tests.support.origins import Behaviour, OriginConnection, answering, running_origin

STATE: dict[str, object] = {
    "node": {"name": "lb-a", "zone": "zone-a", "version": "0", "view": None, "ready": True},
    "members": [],
    "notices": [],
    "certificates": [],
    "dns": None,
    "gossip": {},
    "services": [],
    "fronts": [],
    "forwarders": [],
    "reload": None,
}
MEMBER = {"name": "lb-a", "state": "alive", "live": True, "primary": "aa", "held": ["aa"], "in_memory_only": False}
RING = {"primary": "aa", "wanted": "aa", "keys": ["aa"], "members": [MEMBER], "fault": None}


@contextmanager
def asked(behaviour: Behaviour) -> Iterator[Asked]:
    with running_origin(behaviour) as origin:
        yield Asked(origin.address)


def answering_json(value: object, status: bytes = b"200 OK") -> Behaviour:
    def behave(connection: OriginConnection) -> None:
        while connection.read_head():
            connection.answer(json.dumps(value).encode(), status=status)

    return behave


def dripping(begin: bytes) -> Behaviour:
    def behave(connection: OriginConnection) -> None:
        connection.read_head()
        connection.send(begin)
        while True:
            connection.send(b"x")
            time.sleep(0.01)

    return behave


@pytest.mark.parametrize("begin", [b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nA: "], ids=["body", "head"])
def test_an_answer_that_comes_byte_by_byte_is_waited_for_so_long_and_no_longer(
    begin: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "ANSWER_S", 0.3)
    began = time.monotonic()
    with asked(dripping(begin)) as whom:
        answer = ask(whom, "/v1/state")
        assert time.monotonic() - began < client.TIMEOUT_S
    assert isinstance(answer, str)
    assert "has no end after 0.3 s" in answer


def test_an_answer_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "ANSWER_BYTES_MAX", 1 << 20)
    with asked(answering(b" " * (1 << 20))) as whom:
        assert not isinstance(ask(whom, "/v1/state"), str)
    with asked(answering(b" " * (1 << 20) + b" ")) as whom:
        assert "is longer than 1 MiB" in str(ask(whom, "/v1/state"))


def test_a_server_that_hangs_up_is_told_with_one_full_stop() -> None:
    def hang_up(connection: OriginConnection) -> None:
        connection.read_head()

    with asked(hang_up) as whom:
        assert "without sending a response. Is lbmesh running there" in str(ask(whom, "/v1/state"))


def test_an_address_that_no_request_can_name_is_told() -> None:
    assert "write an IP address" in str(ask(Asked(Address("xn--", 9900)), "/v1/state"))


def test_a_refusal_of_any_length_is_told_in_a_few_lines() -> None:
    def refuse(connection: OriginConnection) -> None:
        connection.read_head()
        connection.answer(b"no " * 10_000, status=b"403 Forbidden")

    with asked(refuse) as whom:
        assert len(str(ask(whom, "/v1/state"))) < 600


@pytest.mark.parametrize(
    ("value", "status"),
    [
        (STATE, b"404 Not Found"),
        ({"error": "nothing here"}, b"404 Not Found"),
        ([], b"200 OK"),
        ({**STATE, "gossip": [], "members": [{**MEMBER, "zone": "", "for_s": 1, "reason": "", "gone": 0}]}, b"200 OK"),
        ({**STATE, "reload": {"ok": True, "age_s": 10**400}}, b"200 OK"),
    ],
)  # fmt: skip
def test_status_of_something_else_fails(value: object, status: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    with asked(answering_json(value, status)) as whom:
        assert run_status(whom, as_json=True) == 1
        assert json.loads(capsys.readouterr().out) == {"error": other_release(whom), "meant": []}


def test_status_of_a_node_does_not() -> None:
    with asked(answering_json(STATE)) as whom:
        assert run_status(whom, as_json=True) == 0


@pytest.mark.parametrize(
    ("value", "status"),
    [
        ([], b"200 OK"),
        ("keys", b"200 OK"),
        ({}, b"200 OK"),
        ({"error": "nothing here"}, b"404 Not Found"),
        ({"keys": ["aa"]}, b"200 OK"),
        ({**RING, "members": [{"name": "lb-a", "live": True}]}, b"200 OK"),
    ],
)
@pytest.mark.parametrize("action", ["list", "rotate", "install"])
def test_keys_of_something_else_fail(
    value: object, status: bytes, action: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with asked(answering_json(value, status)) as whom:
        assert run_keys(KeysNode(whom), action, "") == 1
        assert capsys.readouterr().err == f"lbmesh keys: {other_release(whom)}\n"


def test_keys_of_a_node_are_shown_as_no_terminal_obeys(capsys: pytest.CaptureFixture[str]) -> None:
    with asked(answering_json({**RING, "fault": "\x1b[2J\ud800"})) as whom:
        assert run_keys(KeysNode(whom), "list", "") == 0
    assert capsys.readouterr().out == (
        "aa  held by all 1 live members; primary of all 1 live members\n"
        "�[2J?: what this node holds is lost when it restarts\n"
    )


@pytest.mark.parametrize("name", ["\udcff", "é", "n" * 20_000, "🦀" * 20_000], ids=["bytes", "word", "long", "wide"])
def test_any_name_can_be_asked_for(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    heads: list[bytes] = []
    with asked(answering(b"{}", heads=heads)) as whom:
        assert run_explain(whom, "member", name, as_json=False) == 1
    assert other_release(whom) in capsys.readouterr().err
    path = heads[0].split(b" ")[1].removeprefix(b"/v1/explain/member/")
    assert unquote_to_bytes(path) == name[:500].encode(errors="surrogateescape")
