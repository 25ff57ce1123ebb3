"""Where the client's balancers come from: names, a node's admin API; what stands when these fail, and after a fork."""

import json
import os
import random
import signal
import socket
import threading
import time
import traceback
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import httpx
import pytest

from lbmesh.client import Admin, MeshTransport, Policy
from lbmesh.client.directory import Directory, Endpoint, Slot
from lbmesh.client.finder import Finder
from lbmesh.client.listing import Balancers
from lbmesh.client.sources import AdminApi
from lbmesh.model.address import Address, parse_address
from tests.support.balancers import Balancer, balancer, plain_reply, refusing, silent
from tests.support.callers import FLAVOURS, URL, call
from tests.support.nodes import Node
from tests.support.wait import wait_for

A, B = Endpoint(Address("10.0.1.10", 80)), Endpoint(Address("10.0.2.10", 80))
TOKEN = "only-for-this-test"


class Oracle:
    """A source that says what it is told to, when it is let."""

    def __init__(self, answer: Sequence[Endpoint] | str) -> None:
        self.answer = answer
        self.asked = 0
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self) -> Sequence[Endpoint] | str:
        self.asked += 1
        assert self.gate.wait(10)
        return self.answer


def a_finder(oracle: Oracle, **times_s: float) -> Finder:
    """Of one source; looks again at once unless told otherwise."""
    return Finder(Directory([Slot("shop:80")]), {"shop:80": oracle}, Policy(**{"refresh_s": 1e-9, **times_s}))  # type: ignore[arg-type]


def _asks_again(finder: Finder, oracle: Oracle, before: int) -> bool:
    return finder.is_ready() and oracle.asked > before


def _no_look_up_runs() -> bool:
    return not [thread for thread in threading.enumerate() if thread.name.startswith("lbmesh-client-look-up")]


@pytest.mark.parametrize("bad", ["does not resolve", []])
def test_the_last_good_addresses_stand_when_a_look_up_fails_or_is_empty(bad: str | list[Endpoint]) -> None:
    oracle = Oracle([A, B])
    finder = a_finder(oracle)
    assert finder.is_ready() or finder.wait(10)
    assert finder.home == (A.address, B.address)
    oracle.answer = bad
    for _ in range(3):
        asked = oracle.asked
        wait_for(partial(_asks_again, finder, oracle, asked), "other look-up")
    assert finder.home == (A.address, B.address)
    oracle.answer = [B]
    wait_for(lambda: finder.is_ready() and finder.home == (B.address,), "new address")


def test_a_look_up_that_hangs_holds_nobody_up_while_something_is_known() -> None:
    oracle = Oracle([A])
    finder = a_finder(oracle)
    assert finder.is_ready() or finder.wait(10)
    wait_for(_no_look_up_runs, "end of the look-up")
    oracle.gate.clear()
    try:
        for _ in range(5):
            assert finder.is_ready()
        assert oracle.asked == 2, "one at a time"
    finally:
        oracle.gate.set()


def test_addresses_that_are_too_old_are_waited_for_but_used_when_nothing_better_comes() -> None:
    oracle = Oracle([A])
    finder = a_finder(oracle, stale_s=1e-6)
    assert finder.is_ready() or finder.wait(10)
    wait_for(_no_look_up_runs, "end of the look-up")
    oracle.gate.clear()
    oracle.answer = "the resolver is silent"
    assert not finder.is_ready()
    assert not finder.wait(0.05)
    oracle.gate.set()
    assert finder.wait(10)
    assert finder.home == (A.address,)


def test_a_source_with_a_bug_is_told_and_does_not_hang() -> None:
    def broken() -> Sequence[Endpoint]:
        raise RuntimeError("not foreseen")

    finder = Finder(Directory([Slot("shop:80")]), {"shop:80": broken}, Policy())
    assert finder.is_ready() or finder.wait(10)
    assert "not foreseen" in finder.describe()


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_a_name_is_all_of_its_addresses(flavour: str) -> None:
    with balancer() as alive:
        port = parse_address(alive.address).port
        (got,) = call(flavour, [f"localhost:{port}"], "GET")
    assert str(got.report.balancer) == alive.address, "an address that was looked up, not the name"


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_a_name_that_does_not_resolve_is_told_and_does_no_harm_beside_an_address(flavour: str) -> None:
    with pytest.raises(httpx.ConnectError, match=r"no balancer is known: lb\.invalid:80: does not resolve"):
        call(flavour, ["lb.invalid:80"], "GET", timeout=60)
    with balancer() as alive:
        (got,) = call(flavour, ["lb.invalid:80", alive.address], "GET")
    assert got.status == 200


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_the_clients_zone_comes_first_and_the_others_when_it_fails(
    flavour: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with balancer() as far, balancer() as near, silent() as dead, refusing() as other:
        by_zone: Balancers = {"zone-a": [far.address], "zone-b": [near.address], "zone-c": [dead], "zone-d": [other]}
        for zone, found in (("zone-b", near), ("zone-c", far), ("zone-d", far)):
            monkeypatch.setenv("LBMESH_ZONE", zone)
            (got,) = call(flavour, by_zone, "GET")
            assert str(got.report.balancer) == found.address


def test_a_real_node_names_its_fronts(tmp_path: Path) -> None:
    node = Node(tmp_path, "lb-a1", "zone-a", [(Address("127.0.0.1", 1), "zone-a")])
    secret = tmp_path / "token"
    secret.write_text(TOKEN + "\n")
    secret.chmod(0o600)
    node.admin_lines = f'token_file = "{secret}"'
    node.token = TOKEN
    port = node.address.port
    node.write_config(
        f"""
[[front]]
address = "127.0.0.1"
port = {port}
zone = "zone-a"
driver = "none"
[[front]]
address = "203.0.113.20"
port = {port}
zone = "zone-b"
driver = "none"
"""
    )
    try:
        node.start()
        assert AdminApi(Admin([str(node.admin_address)], token=TOKEN), None)() == (
            Endpoint(Address("127.0.0.1", port), "zone-a"),
        ), "zone-b has nobody in it"
        assert "wants its admin token" in str(AdminApi(Admin([str(node.admin_address)], token="wrong"), None)())
    finally:
        node.clean_up()


def a_state(*fronts: str) -> str:
    """As much of /v1/state as the client reads, of a node that is alone."""
    fixed = {"zone": "z", "node": None, "driver": "none", "holder": None}
    told = [{"address": each.host, "port": each.port, **fixed} for each in map(parse_address, fronts)]
    return json.dumps({"node": {"name": "a", "zone": "z"}, "members": [], "fronts": told})


def test_admin_api_errors_are_told_and_the_next_node_is_asked() -> None:
    with (
        balancer(plain_reply(401, "no")) as strict,
        balancer(plain_reply(200, "[]")) as other,
        balancer(plain_reply(200, a_state())) as empty,
        balancer(plain_reply(200, a_state("[::1]:81"))) as well,
        refusing() as dead,
    ):
        told = AdminApi(Admin([dead, strict.address, other.address]), None)()
        assert isinstance(told, str)
        for words in (dead, f"{strict.address} wants its admin token", f"{other.address} answered with something else"):
            assert words in told
        assert "knows no front" in str(AdminApi(Admin([empty.address]), None)())
        ask = AdminApi(Admin([dead, empty.address, well.address]), None)
        assert ask() == ask() == (Endpoint(Address("::1", 81), "z"),)
        assert len(well.seen) == 2


def a_mesh(teller: str, gone: Sequence[str] = (), left: Sequence[str] = ()) -> str:
    """The same of three nodes in three zones, as one of them sees it."""
    members = [
        {
            "name": f"lb-{zone}",
            "zone": f"zone-{zone}",
            "address": f"10.0.{number}.10:7946",
            "state": "left" if zone in left else "alive",
            "gone": {"for_s": 1.0, "reason": "silent"} if zone in gone else None,
        }
        for number, zone in enumerate("abc", 1)
    ]
    return json.dumps({"node": {"name": f"lb-{teller}", "zone": f"zone-{teller}"}, "members": members, "fronts": []})


def hosts_of(answer: Sequence[Endpoint] | str) -> list[str]:
    """Of an answer that names some."""
    assert not isinstance(answer, str), answer
    return [each.address.host for each in answer]


def test_a_node_that_is_cut_off_does_not_take_the_others_from_the_list() -> None:
    told = [a_mesh("a")]

    def state(connection: socket.socket, line: str, body: bytes) -> bool:
        return plain_reply(200, told[-1])(connection, line, body)

    with balancer(state) as isolated, balancer(plain_reply(200, a_mesh("b", gone="a"))) as well:
        alone, together = (
            AdminApi(Admin([isolated.address]), None),
            AdminApi(Admin([isolated.address, well.address]), None),
        )
        assert hosts_of(alone()) == hosts_of(together()) == ["10.0.1.10", "10.0.2.10", "10.0.3.10"]
        told.append(a_mesh("a", gone="bc"))
        assert hosts_of(alone()) == ["10.0.1.10", "10.0.2.10", "10.0.3.10"], "what was believed last stands"
        assert hosts_of(together()) == ["10.0.2.10", "10.0.3.10"], "one that hears most of them is believed"
        first_time = AdminApi(Admin([isolated.address]), None)
        assert hosts_of(first_time()) == ["10.0.1.10"], "better than nothing"
        assert hosts_of(first_time()) == ["10.0.1.10"]
        told.append(a_mesh("a", left="bc"))
        assert hosts_of(alone()) == ["10.0.1.10"], "those that said goodbye themselves are no longer of the mesh"


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_the_balancers_an_admin_api_names_are_used_and_kept_when_it_dies(flavour: str) -> None:
    with balancer() as alive:
        admin = Balancer(plain_reply(200, a_state(alive.address)))
        try:
            (got,) = call(flavour, Admin([admin.address], token=TOKEN), "GET")
        finally:
            admin.close()
        assert str(got.report.balancer) == alive.address
        with pytest.raises(httpx.ConnectError, match="no balancer is known: admin API of"):
            call(flavour, Admin([admin.address]), "GET")


def test_transports_spread_over_what_the_admin_api_names() -> None:
    state = a_state(*(f"10.0.{n}.10:80" for n in range(3)))
    with balancer(plain_reply(200, state)) as admin:
        firsts = set()
        for seed in range(20):
            ask = AdminApi(Admin([admin.address]), random.Random(seed).random())
            one, same = ask(), ask()
            assert one == same, "each client keeps its own order"
            firsts.add(one[0])
    assert len(firsts) == 3


class Holding:
    """A random source that can be made to keep whoever asks it, and with that the transport's lock."""

    def __init__(self) -> None:
        self.holds = False
        self.held = threading.Event()

    def random(self) -> float:
        """Zero, once it is let go."""
        while self.holds:
            self.held.set()
            time.sleep(0.01)
        return 0.0


def _ended(child: int) -> tuple[int, int] | None:
    ended, status = os.waitpid(child, os.WNOHANG)
    return (ended, status) if ended else None


def _sick_at_times(connection: socket.socket, line: str, body: bytes) -> bool:
    return plain_reply(503 if "/sick" in line else 200, "fine")(connection, line, body)


def test_a_child_of_a_fork_has_connections_and_locks_of_its_own() -> None:
    rng = Holding()
    with (
        balancer(_sick_at_times) as first,
        balancer() as second,
        httpx.Client(transport=MeshTransport([first.address, second.address], rng=rng)) as client,
        ThreadPoolExecutor(1) as elsewhere,
    ):
        assert client.get(URL).status_code == 200
        rng.holds = True
        going_on = elsewhere.submit(client.get, "http://shop.example.com/sick")
        try:
            assert rng.held.wait(10)
            child = os.fork()
            if not child:
                rng.holds = False
                code = 1
                try:
                    code = 0 if client.get(URL).status_code == 200 else 2
                except BaseException:
                    traceback.print_exc()
                os._exit(code)
            try:
                assert wait_for(partial(_ended, child), "end of the child") == (child, 0)
            except AssertionError:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
                raise
            assert first.accepted + second.accepted == 3, "two of the parent, and one of the child's own"
        finally:
            rng.holds = False
        assert going_on.result().status_code == 200
        assert client.get(URL).status_code == 200
