"""Load at real nodes: what the list allows is sent there and nothing else, and what became of it is told."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lbmesh.model.address import Address
from lbmesh_chaos.drill.aimed_load import AllowedLoad, RunningLoad, try_out
from lbmesh_chaos.drill.run import DrillError
from lbmesh_chaos.load.template import RequestTemplate
from lbmesh_chaos.model.flow import Kind, Method
from lbmesh_chaos.model.tally import FOREIGN_ANSWER
from lbmesh_chaos.toolkit.extension import Load
from lbmesh_chaos.toolkit.target_load import LoadAddress, TargetLoad
from tests.support import proc
from tests.support.ledgers import Ledger
from tests.support.origins import refused_address, running_origin
from tests.support.staging import Staging, activity, running_staging
from tests.support.wait import wait_for

LOAD = """
[load]
rate_max = 60
requests_max = 400
lasts_max = "10s"
host = "shop.example.com"
get = "/shop?drill={id}"
post = "/orders"
keyed_post = "/orders/keyed"
post_body = '{"drill": "{id}"}'
post_type = "application/json"
echo_header = "X-Drill-Id"
count_header = "X-Drill-Times"
"""
SHORT = {"rate": 500, "lead": "500ms", "lasts": "2s", "deadline": "4s"}
"""The rate is a lab's: at real nodes it is asked for on the command line."""
TOLD = {"mesh_lost_max": None, "agree_s": None, "void_share_max": 1}
"""What must hold on any machine, however slow."""
FROZEN = activity("freeze", pause_s=300, targets="lb-a1", part="forwarder", at_most="100s")


@pytest.fixture(scope="module")
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture(scope="module")
def staging(tmp_path_factory: pytest.TempPathFactory, ledger: Ledger) -> Iterator[Staging]:
    with running_staging(tmp_path_factory.mktemp("staging"), ledger.behave) as made:
        addresses = "".join(
            f'[[load.address]]\naddress = "{one.address}"\nzone = "{one.zone}"\n' for one in made.nodes[:2]
        )
        made.list.write_text(made.list.read_text() + LOAD + addresses)
        yield made


def test_addresses_that_do_not_answer_as_the_list_says_end_it_before_anything_is_struck(staging: Staging) -> None:
    text = staging.list.read_text()
    staging.list.write_text(text.replace('get = "/shop?drill={id}"', 'get = "/nowhere"'))
    done = staging.drill(
        activity("kill", targets="lb-a1", part="agent", at_most="9s"), words=("--load", "40"), load=SHORT
    )
    staging.list.write_text(text)
    assert done.returncode == 2
    for one in staging.nodes[:2]:
        assert f"{one.address}: GET /nowhere of shop.example.com is answered by 404; write one that gets" in done.stderr
    assert not staging.nodes[0].log_lines("a drill's fault")


def test_what_the_list_allows_is_sent_to_its_addresses_and_told(staging: Staging, ledger: Ledger) -> None:
    ledger.times.clear()
    ledger.heads.clear()
    done = staging.drill(
        activity("kill", targets="lb-a1", part="forwarder", at_most="30s", label="forwarder"),
        activity("heal", label="forwarder"),
        words=("--load", "40"),
        load=SHORT,
        marks=TOLD,
    )
    assert done.returncode != 2, done.stderr
    assert "40 requests a second for 2 s (" in done.stderr
    assert "as clients of shop.example.com: GET /shop?drill={id}, POST /orders, POST with an" in done.stderr
    report = json.loads(done.stdout)
    total, due = report["total"], sum(report["total"][key] for key in ("sent", "void"))
    assert 70 <= due <= 90
    assert set(report["by_kind"]) == set(Kind)
    assert set(report["by_method"]) == set(Method)
    assert set(report["by_zone"]) == {"zone-a", "zone-b"}
    assert report["evidence"] == {"logged": False, "echoed": True, "counted": True}
    assert any("came whole is known" in line for line in report["not_judged"])
    held = {one["name"]: one["held"] for one in report["invariants"]}
    assert held["no answer of another request"]
    assert held["no request without a key carried out twice"]
    assert held["every load process ends well"]
    assert "nothing carried out that was not sent" not in held
    assert (report["findings"]["strays"], total["unknown_executed"]) == (None, None)
    drilled = {identity: times for identity, times in ledger.times.items() if not identity.startswith("try-")}
    assert len(ledger.times) - len(drilled) == 2  # one first try for each address
    assert len(drilled) <= due
    assert len(drilled) >= total["ok"]
    assert total["ok"] > 0
    assert {ledger.lines[one].partition("?")[0] for one in drilled} == {
        "GET /shop",
        "POST /orders",
        "POST /orders/keyed",
    }
    posts = [one for one in drilled if ledger.lines[one] == "POST /orders"]
    assert all(ledger.bodies[one] == f'{{"drill": "{one}"}}'.encode() for one in posts)
    assert all(ledger.times[one] == 1 for one in posts)
    assert all("lbmesh-drill" in head and "shop.example.com" in head for head in ledger.heads)
    assert not any("/shop" in str(line) for line in staging.nodes[2].access_lines())  # the list does not name it


def test_ctrl_c_ends_the_load_and_undoes_what_stands(staging: Staging, ledger: Ledger) -> None:
    long = {**SHORT, "lasts": "10s"}
    with staging.begun(FROZEN, words=("--load", "30", "--json"), load=long, marks=TOLD) as drill:
        load = _load_under_way(drill.pid, ledger)
        wait_for(lambda: _standing(staging), "a fault that stands")
        os.kill(drill.pid, signal.SIGINT)
        wait_for(lambda: _standing(staging) == [], "an undo")
        assert not any(map(proc.is_alive, load))
        said, _ = drill.communicate(timeout=60)
    report = json.loads(said)
    assert any("did not run to its end" in line for line in report["reasons"])


KILLED = """
import sys, time
from pathlib import Path
from typing import Any
from lbmesh.model.address import Address
from lbmesh_chaos.drill.aimed_load import RunningLoad
from tests.integration.test_drill_load_at_real_nodes import allowed
long = allowed(Address("127.0.0.1", int(sys.argv[1])), lasts_s=600.0)
RunningLoad(long, 1, Path(sys.argv[2])).wait()
"""


def test_the_load_ends_with_a_drill_that_is_killed(tmp_path: Path) -> None:
    ledger = Ledger()
    with running_origin(ledger.behave) as origin:
        words = (sys.executable, "-c", KILLED, str(origin.address.port), str(tmp_path))
        with subprocess.Popen(words, cwd=Path(__file__).parents[2]) as drill:
            load = _load_under_way(drill.pid, ledger)
            drill.kill()
            wait_for(lambda: not any(map(proc.is_alive, load)), "an end of the load")


def _load_under_way(drill: int, ledger: Ledger) -> list[int]:
    """Its processes, once their requests come."""
    before = len(ledger.heads)
    wait_for(lambda: len(ledger.heads) > before + 3, "load at the origin")
    children = Path(f"/proc/{drill}/task/{drill}/children").read_text().split()
    found = [pid for pid in map(int, children) if b"load.client" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    assert len(found) >= 3  # one for each engine
    return found


def _standing(staging: Staging) -> list[object]:
    status, body = staging.nodes[0].get("/v1/drill")
    return list(json.loads(body)["standing"]) if status == 200 else ["no answer"]


def allowed(*addresses: Address, lasts_s: float = 1.5, **template: str) -> AllowedLoad:
    """By lists of which only this matters."""
    asks = RequestTemplate("/shop?drill={id}", "/orders", "/orders", **template)
    within = TargetLoad(
        "shop.example.com", tuple(LoadAddress(one, "zone-a") for one in addresses), asks, 100.0, 1000, 10.0
    )
    return AllowedLoad(within, Load(rate=60.0, lasts_s=lasts_s, deadline_s=5.0), 91)


ECHO: dict[str, Any] = {"echo_header": "X-Drill-Id", "count_header": "X-Drill-Times"}


def test_what_an_origin_s_answers_tell_is_counted_by_every_kind_of_client(tmp_path: Path) -> None:
    ledger = Ledger(swapped="3", doubled="5", silent="7")
    with running_origin(ledger.behave) as origin:
        running = RunningLoad(allowed(origin.address, **ECHO), 1, tmp_path)
        try:
            assert running.wait() == []
        finally:
            running.end()
    tally = running.tally(time.monotonic())
    ids = {f"{one.flow.stem}-{number}": (one, number) for one in tally.fates for number in range(len(one.due_s))}
    assert set(ledger.times) == set(ids)
    assert {one.flow.kind for one in tally.fates} == set(Kind)
    for identity, (one, number) in ids.items():
        told = 0 if identity[-1] in "37" else 2 if identity[-1] == "5" else 1
        assert one.executions[number] == told, identity
    swapped = [identity for identity in ids if identity.endswith("3")]
    assert tally.mixed_up.count == len(swapped) > 0
    assert "the answer has what belongs to zone-a-" in tally.mixed_up.first[0].what
    assert {ids[one][0].reasons[ids[one][1]] for one in swapped} == {FOREIGN_ANSWER}
    twice = [ids[one][0].flow.method for one in ids if one.endswith("5")]
    assert tally.duplicated.count == twice.count(Method.POST)
    assert tally.replayed.count == len(twice) - twice.count(Method.POST)
    assert tally.unexecuted.count == 0


def test_an_address_that_does_not_answer_as_the_list_says_is_found_before_the_load() -> None:
    with running_origin(Ledger().behave) as origin:
        try_out(allowed(origin.address, **ECHO))
        try_out(allowed(origin.address))
        dead = refused_address()
        wrong = allowed(origin.address, dead, echo_header="X-Other")
        lost = replace(wrong, within=replace(wrong.within, template=RequestTemplate("/nowhere")))
        with pytest.raises(DrillError) as said:
            try_out(wrong)
        assert f"{origin.address}: the answer has no X-Other; have the origin set it" in str(said.value)
        assert f"{dead}: no answer to a first GET" in str(said.value)
        with pytest.raises(DrillError, match=r"GET /nowhere of shop\.example\.com is answered by 404"):
            try_out(lost)
    with (
        running_origin(Ledger(swapped="").behave) as liar,
        pytest.raises(DrillError, match='X-Drill-Id is "none-0", not the id that came'),
    ):
        try_out(allowed(liar.address, **ECHO))
