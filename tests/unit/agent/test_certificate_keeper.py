"""Certificates renewed on disk: only a pair that works comes into use, and what is wrong is told once."""

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
from lbmesh.model.listener import ListenerPolicy
from lbmesh.model.tls import KeyPair, ListenerTls
from lbmesh.model.view import View
from tests.support.certificates import Authority
from tests.support.planes import settings, shop


class Node:
    """A plane with one listener over TLS, whose two files the test writes."""

    def __init__(self, directory: Path) -> None:
        self.authority = Authority(directory)
        self.cert, self.key = directory / "site.pem", directory / "site.key"
        self.write()
        pair = read_key_pair(self.cert, self.key)
        listener = ListenerSettings(Address("127.0.0.1", 443), ListenerPolicy(tls=ListenerTls((pair,))))
        given = replace(settings(shop()), listeners=(listener,))
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


def test_an_end_that_is_near_is_told(node: Node) -> None:
    node.look()
    (notice,) = node.notices
    assert "expires soon" in notice
