"""What it all began with: a provider's managed balancer is one path to the service, and the mesh is another.

The provider's control plane hangs, lies, and pushes an empty configuration, which the managed balancer obeys; then the
managed balancer dies. Who has that one path alone loses the service; who has the names of both does not.
"""

import sys
from pathlib import Path

from lbmesh_chaos.lab.client import LabClient
from tests.support.labs import get, lab_of, needs_lab
from tests.support.wait import wait_for

pytestmark = needs_lab

WORLD = (Path(__file__).parents[2] / "chaos/worlds/managed.toml").read_text()
ONE_PATH = "http://managed.lab/small/one-{}"
BOTH_PATHS = """
import httpx, trio
from lbmesh.client import AsyncMeshTransport, MeshTransport
PATHS = ["managed.lab:80", "shop.lab:80"]

def asked_in_a_thread():
    with httpx.Client(transport=MeshTransport(PATHS), timeout=10) as client:
        return [client.get(f"http://shop.lab/small/sync-{number}").status_code for number in range(20)]

async def asked_in_a_task():
    async with httpx.AsyncClient(transport=AsyncMeshTransport(PATHS), timeout=10) as client:
        return [(await client.get(f"http://shop.lab/small/async-{number}")).status_code for number in range(20)]

print({*asked_in_a_thread(), *trio.run(asked_in_a_task)})
"""


def holds(lab: LabClient) -> bool:
    """Every request by both paths is answered well; by names, which the zone's resolver turns into addresses."""
    status, said = lab.output("client-b1", (sys.executable, "-c", BOTH_PATHS))
    assert status == 0, said
    return said == "{200}\n"


def one_path_answers(lab: LabClient) -> bool:
    return get(lab, "client-b1", ONE_PATH.format(1))[0] == 200


def test_the_service_holds_whatever_the_provider_does() -> None:
    with lab_of(WORLD) as name, LabClient(name) as lab:
        wait_for(lambda: one_path_answers(lab), "answer by the managed balancer")
        assert holds(lab)

        hangs = lab.apply("control_plane", {"targets": ["provider"], "mode": "hangs", "at_most": "5m"})
        assert one_path_answers(lab), "it goes on with what it was told before"
        assert holds(lab)
        lab.heal(hangs)

        for mode in ("lies", "empty"):
            fault = lab.apply("control_plane", {"targets": ["provider"], "mode": mode, "at_most": "5m"})
            wait_for(lambda: not one_path_answers(lab), f"harm done by a control plane that {mode}")
            assert holds(lab), mode
            if mode == "lies":
                lab.heal(fault)
                wait_for(lambda: one_path_answers(lab), "answer after the truth was told again")

        # The empty configuration still stands.
        dies = lab.apply("kill", {"targets": ["managed"], "silent": True, "at_most": "5m"})
        assert not one_path_answers(lab)
        assert holds(lab)

        assert lab.heal(dies) == []
        assert lab.heal(fault) == []
        wait_for(lambda: one_path_answers(lab), "answer when all is as before")
        assert holds(lab)
        assert lab.residue() == []
