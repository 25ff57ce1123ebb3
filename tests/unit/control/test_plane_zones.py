"""Measured traffic through whole planes: told over gossip, it decides how many requests leave their zone."""

from dataclasses import replace

import pytest

from lbmesh.control.link import RequestTelemetry, Telemetry
from lbmesh.control.zone_traffic import GATHER_S
from lbmesh.model.service import HealthCheck
from tests.support.planes import World, settings, shop

CHECK = HealthCheck(interval_s=1.0)


class Mesh:
    """A node in each of three zones, with a replica each. `rates`: requests a second that each answers."""

    def __init__(self) -> None:
        self.world = World()
        self.rates: dict[str, int] = {}
        self._counts: dict[str, int] = {}
        for letter in "abc":
            node = f"lb-{letter}0"
            self.world.add(node, f"zone-{letter}", shop(3, CHECK))
            self.rates[node] = 0
            self._counts[node] = 0
        self.run(5)

    def run(self, seconds: int) -> None:
        """Each second, each node's forwarder says what it has done."""
        for _ in range(seconds):
            self.world.run(1.0)
            for node, rate in self.rates.items():
                self._counts[node] += rate
                row = RequestTelemetry("shop", "GET", 200, "", self._counts[node], 0.0, ())
                figures = Telemetry(0, 7, None, 0, 0, 0, 0, (row,))
                self.world.take(node, self.world.planes[node].telemetry(figures, self.world.now))

    def home_share(self, letter: str) -> float:
        """Of the newest View."""
        view = self.world.planes[f"lb-{letter}0"].view
        assert view is not None
        return view.services[0].share(f"zone-{letter}")


def test_a_zone_with_most_of_the_traffic_spills_and_takes_it_back() -> None:
    mesh = Mesh()
    assert [mesh.home_share(letter) for letter in "abc"] == [pytest.approx(0.98)] * 3
    mesh.rates = {"lb-a0": 900, "lb-b0": 50, "lb-c0": 50}
    mesh.run(30)
    assert mesh.home_share("a") == pytest.approx(1 / 3 / 0.9, abs=0.04)
    assert mesh.home_share("b") == pytest.approx(0.98)
    mesh.rates = {"lb-a0": 100, "lb-b0": 100, "lb-c0": 100}
    mesh.run(40)
    assert mesh.home_share("a") > 0.9


def test_steady_traffic_makes_no_views_and_few_rows() -> None:
    mesh = Mesh()
    mesh.rates = {"lb-a0": 500, "lb-b0": 300, "lb-c0": 100}
    mesh.run(40)
    views = {node: len(made) for node, made in mesh.world.views.items()}
    sent = sum(plane.picture.state(mesh.world.now).gossip["bytes_out"] for plane in mesh.world.planes.values())
    mesh.run(30)
    assert {node: len(made) for node, made in mesh.world.views.items()} == views
    busy = sum(plane.picture.state(mesh.world.now).gossip["bytes_out"] for plane in mesh.world.planes.values()) - sent
    idle = Mesh()
    idle.run(35)
    before = sum(plane.picture.state(idle.world.now).gossip["bytes_out"] for plane in idle.world.planes.values())
    idle.run(30)
    at_rest = (
        sum(plane.picture.state(idle.world.now).gossip["bytes_out"] for plane in idle.world.planes.values()) - before
    )
    assert busy < 1.02 * at_rest


def test_a_node_that_dies_takes_its_traffic_with_it() -> None:
    mesh = Mesh()
    mesh.rates = {"lb-a0": 200, "lb-b0": 600, "lb-c0": 200}
    mesh.run(30)
    assert mesh.home_share("a") == pytest.approx(0.98)
    mesh.world.cut.add("lb-b0")
    mesh.rates["lb-b0"] = 0
    mesh.run(20)
    assert mesh.home_share("a") == pytest.approx(1 / 3 / 0.5, abs=0.05)


def test_a_reload_to_replicas_in_one_zone_ends_it() -> None:
    mesh = Mesh()
    mesh.rates = {"lb-a0": 900, "lb-b0": 50, "lb-c0": 50}
    mesh.run(20)
    service = shop(3, CHECK)
    here = replace(service, replicas=tuple(replace(one, zone="zone-a") for one in service.replicas))
    plane = mesh.world.planes["lb-a0"]
    mesh.world.take("lb-a0", plane.reload(settings(here, node="lb-a0", zone="zone-a"), (), mesh.world.now))
    mesh.run(3)
    assert mesh.home_share("a") == 1.0


def test_traffic_that_wanders_makes_a_view_each_five_seconds_at_most() -> None:
    """By a fifth each second, for eight seconds, and back: a share moves by some points each time."""
    mesh = Mesh()
    mesh.rates = {"lb-a0": 400, "lb-b0": 200, "lb-c0": 200}
    mesh.run(30)
    before = len(mesh.world.views["lb-a0"])
    for second in range(60):
        up = second % 16 < 8
        mesh.rates["lb-a0"] = round(mesh.rates["lb-a0"] * (1.2 if up else 1 / 1.2))
        mesh.run(1)
    assert 3 <= len(mesh.world.views["lb-a0"]) - before <= 60 / GATHER_S + 1
