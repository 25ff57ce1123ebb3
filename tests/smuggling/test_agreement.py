"""Origin and balancer agree on every message; and the harness sees it when they do not."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.smuggling.cases import all_cases, chunkings, plain, two_framings
from tests.smuggling.client import Answer, Received
from tests.smuggling.harness import through_lbmesh, through_nothing
from tests.smuggling.judge import Accounts, disagreements, unlike_views
from tests.smuggling.origins import SERVERS, OriginServer, Server, running_server
from tests.smuggling.relay import read_stream

LENIENT = ("uvicorn-httptools", "waitress", "cheroot")
"""Three readers that differ from one another on odd bytes, and that end quickly when they are broken off."""


class Origins:
    """Every server is started when it is first asked for, and runs for the rest of the session."""

    def __init__(self, directory: Path, stack: ExitStack) -> None:
        self._directory = directory
        self._stack = stack
        self._running: dict[str, OriginServer] = {}

    def get(self, server: Server) -> OriginServer:
        """The one process of this server."""
        if not server.is_installed():
            pytest.skip(f"{server.package} is not installed")
        if server.name not in self._running:
            self._running[server.name] = self._stack.enter_context(running_server(server, self._directory))
        return self._running[server.name]


@pytest.fixture(scope="session")
def origins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Origins]:
    with ExitStack() as stack:
        yield Origins(tmp_path_factory.mktemp("origins"), stack)


@pytest.mark.parametrize("server", SERVERS, ids=lambda server: server.name)
def test_origin_and_balancer_agree_where_each_message_ends(server: Server, origins: Origins, tmp_path: Path) -> None:
    cases = all_cases(share=(SERVERS.index(server), len(SERVERS)))
    accounts = through_lbmesh(origins.get(server), cases, tmp_path)
    assert disagreements(accounts) == []
    ordinary = {case.name for case in plain()}
    served = [received for received in accounts.received if received.case.name in ordinary]
    assert len(served) == len(ordinary)
    assert all([answer.from_application for answer in received.answers] == [True, True] for received in served)
    refused = [line for line in accounts.logged if "method" not in line]
    assert len(refused) > len(cases) / 3
    assert len(accounts.seen) > len(ordinary) * 10


def test_a_proxy_that_does_not_read_lets_origins_disagree(origins: Origins) -> None:
    """The same bytes, unread: the harness must see that the origins take them for different messages."""
    cases = [*plain(), *chunkings(), *list(two_framings())[::5]]
    servers = [server for server in SERVERS if server.name in LENIENT]
    views = {server.name: through_nothing(origins.get(server), cases)[1] for server in servers}
    unlike = unlike_views(views)
    hidden = [each for each in unlike.values() for view in each.values() if any("hidden" in one.target for one in view)]
    assert len(unlike) > 50
    assert len(hidden) > 20
    assert not [case for number, case in enumerate(plain()) if f"m{number:05x}" in unlike]


# The judge


def healthy() -> Accounts:
    """Two requests of one client, on which all agree."""
    case = next(plain())
    answers = tuple(Answer(200, f"id-{number}", frozenset({"m00000"}), from_application=True) for number in range(2))
    stream = b"".join(b"GET /m00000 HTTP/1.1\r\nHost: a\r\nX-Request-Id: id-%d\r\n\r\n" % number for number in range(2))
    logged = [{"request_id": f"id-{number}", "method": "GET", "path": "/m00000", "attempts": 1} for number in range(2)]
    digest = read_stream(stream).requests[0].digest
    seen = [
        {
            "method": "GET",
            "path": "/m00000",
            "query": "",
            "request_id": f"id-{number}",
            "marker": "m00000",
            "digest": digest,
            "size": 0,
            "complete": True,
        }
        for number in range(2)
    ]
    return Accounts([Received(case, "m00000", answers, "")], logged, [read_stream(stream)], seen)


def test_the_judge_is_content_when_all_agree() -> None:
    assert disagreements(healthy()) == []


def with_seen(**changes: object) -> Accounts:
    accounts = healthy()
    return accounts._replace(seen=[{**accounts.seen[0], **changes}, accounts.seen[1]])


def with_answer(**changes: Any) -> Accounts:
    accounts = healthy()
    [received] = accounts.received
    answers = (received.answers[0]._replace(**changes), received.answers[1])
    return accounts._replace(received=[received._replace(answers=answers)])


def one_more_seen() -> Accounts:
    accounts = healthy()
    return accounts._replace(seen=[*accounts.seen, {**accounts.seen[0], "path": "/m00000/hidden", "request_id": ""}])


def seen_twice() -> Accounts:
    accounts = healthy()
    return accounts._replace(seen=[*accounts.seen, accounts.seen[0]])


def not_logged() -> Accounts:
    return healthy()._replace(logged=healthy().logged[:1])


def unreadable() -> Accounts:
    accounts = healthy()
    return accounts._replace(received=[accounts.received[0]._replace(fault="illegal status line")])


def behind_a_refusal() -> Accounts:
    refused = {"request_id": "id-0", "status": 400}
    accounts = with_answer(status=400, from_application=False)
    return accounts._replace(logged=[*accounts.logged, refused])


@pytest.mark.parametrize(
    "accounts",
    [
        with_seen(path="/m00000/hidden"),
        with_seen(method="POST"),
        with_seen(size=1),
        with_seen(digest="0"),
        with_seen(request_id="stolen"),
        with_answer(markers=frozenset({"m00001"})),
        with_answer(request_id="id-1"),
        with_answer(request_id="id-2"),
        one_more_seen(),
        seen_twice(),
        not_logged(),
        unreadable(),
        behind_a_refusal(),
    ],
    ids=[
        "another target",
        "another method",
        "another size",
        "another body",
        "an unknown id",
        "another client's answer",
        "one answer twice",
        "an answer that the origin did not give",
        "a request that nobody sent",
        "a request seen twice",
        "a request that is not in the log",
        "an unreadable answer",
        "an answer behind a refusal",
    ],
)
def test_the_judge_sees(accounts: Accounts) -> None:
    assert disagreements(accounts)
