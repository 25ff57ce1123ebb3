"""Certificates and authorities renewed on disk: only what works comes into use, and what is wrong is told once."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import pytest
import trio

from lbmesh.agent.certificate_keeper import CertificateKeeper
from lbmesh.agent.hub import Hub
from lbmesh.config.load import read_key_pair
from lbmesh.config.settings import ListenerSettings
from lbmesh.control.plane import Plane
from lbmesh.model.address import Address
from lbmesh.model.check import ProbeTls
from lbmesh.model.listener import ListenerPolicy
from lbmesh.model.service import HealthCheck
from lbmesh.model.tls import ClientAuth, KeyPair, ListenerTls, ServiceTls
from lbmesh.model.view import View
from tests.support.certificates import Authority
from tests.support.planes import settings, shop


class Node:
    """A plane with one listener over TLS, whose two files the test writes. `ca`: one file of authorities, for clients,
    replicas and probes.
    """

    def __init__(self, directory: Path) -> None:
        self.authority = Authority(directory)
        self.cert, self.key = directory / "site.pem", directory / "site.key"
        self.write()
        self.ca = directory / "ca.pem"
        self.ca.write_text(self.authority.text)
        pair, text = read_key_pair(self.cert, self.key), self.authority.text
        front = ListenerTls((pair,), client_auth=ClientAuth.REQUIRE, client_ca=self.ca, client_ca_certificates=text)
        listener = ListenerSettings(Address("127.0.0.1", 443), ListenerPolicy(tls=front))
        service = replace(
            shop(),
            tls=ServiceTls(ca=self.ca, ca_certificates=text),
            health=HealthCheck(tls=ProbeTls(ca=self.ca, ca_certificates=text)),
        )
        given = replace(settings(service), listeners=(listener,))
        self.hub = Hub(Plane(given, generation=1, gossip=None, rng=Random(1), now=0.0))
        self.views: list[View] = []
        self.hub.on_view = self.views.append
        self.hub.do(self.hub.plane.start(0.0))
        self.keeper = CertificateKeeper(self.hub)

    def write(self, *, key_of_another: bool = False, end: datetime | None = None) -> None:
        text = self.authority.issue("site.test", end=end).read_text()
        at = text.index("-----BEGIN CERTIFICATE")
        if key_of_another:
            text = self.authority.issue("site.test").read_text()[:at] + text[at:]
        self.cert.write_text(text[at:])
        self.key.write_text(text[:at])
        self.key.chmod(0o600)

    def look(self, times: int = 1) -> None:
        for _ in range(times):
            trio.run(self.keeper.look)

    @property
    def shown(self) -> KeyPair:
        tls = self.views[-1].listeners[0].tls
        assert tls is not None
        return tls.key_pairs[0]

    @property
    def trusted(self) -> set[str | None]:
        """By the listener, the service and its probes."""
        front, (service,), (probed,) = self.views[-1].listeners[0].tls, self.views[-1].services, self.probed
        assert front is not None
        assert service.tls is not None
        return {front.client_ca_certificates, service.tls.ca_certificates, probed.ca_certificates}

    @property
    def probed(self) -> list[ProbeTls]:
        """How replicas are asked from now on."""
        checks = [service.health for service in self.hub.plane.settings.services]
        return [check.tls for check in checks if check and check.tls]

    @property
    def notices(self) -> list[str]:
        return [f"{one.change}: {one.reason}" for one in self.hub.plane.picture.state(0.0).notices]


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def test_a_good_pair_comes_into_use_when_its_files_keep_still(node: Node) -> None:
    node.look()
    assert len(node.views) == 1
    before = node.shown
    node.write()
    node.look()
    assert node.shown == before
    node.look()
    assert node.shown == read_key_pair(node.cert, node.key) != before
    node.look(3)
    assert len(node.views) == 2


def test_what_was_renewed_while_nobody_looked_comes_into_use_at_once(node: Node) -> None:
    node.write()
    node.look()
    assert node.shown == read_key_pair(node.cert, node.key)


@pytest.mark.parametrize("wrong", ["key", "expired", "damaged", "gone", "open"])
def test_a_bad_pair_changes_nothing_and_is_told_until_it_is_mended(node: Node, wrong: str) -> None:
    node.look()
    before = node.shown
    match wrong:
        case "key":
            node.write(key_of_another=True)
        case "expired":
            node.write(end=datetime(2024, 2, 29, tzinfo=UTC))
        case "damaged":
            node.cert.write_text("nothing")
        case "gone":
            node.key.unlink()
        case _:
            node.write()
            node.key.chmod(0o644)
    node.look(3)
    assert node.shown == before
    (notice,) = [one for one in node.notices if "is not taken" in one]
    assert str(node.cert) in notice
    assert "PRIVATE" not in notice
    node.write()
    node.look(2)
    assert node.shown != before
    assert not [one for one in node.notices if "is not taken" in one]


def test_authorities_come_into_use_when_their_file_keeps_still(node: Node, tmp_path: Path) -> None:
    node.look()
    before = node.authority.text
    assert node.trusted == {before}
    both = before + Authority(tmp_path, "next").text
    node.ca.write_text(both)
    node.look()
    assert node.trusted == {before}
    node.look()
    assert node.trusted == {both}
    assert len(node.views) == 2
    node.look(3)
    assert len(node.views) == 2


@pytest.mark.parametrize("wrong", ["empty", "damaged", "gone", "a directory"])
def test_bad_authorities_change_nothing_and_are_told_until_they_are_mended(
    node: Node, tmp_path: Path, wrong: str
) -> None:
    node.look()
    before = node.authority.text
    node.ca.unlink()
    match wrong:
        case "empty":
            node.ca.write_text("")
        case "damaged":
            node.ca.write_text(before.replace("M", "N"))
        case "a directory":
            node.ca.mkdir()
        case _:
            assert not node.ca.exists()
    node.look(3)
    assert node.trusted == {before}
    (notice,) = [one for one in node.notices if "is not taken" in one]
    assert str(node.ca) in notice
    if wrong == "a directory":
        node.ca.rmdir()
    node.ca.write_text(Authority(tmp_path, "next").text)
    node.look(2)
    assert before not in node.trusted
    assert not [one for one in node.notices if "is not taken" in one]


def test_an_end_that_is_near_is_told(node: Node) -> None:
    node.look()
    (notice,) = node.notices
    assert "expires soon" in notice
