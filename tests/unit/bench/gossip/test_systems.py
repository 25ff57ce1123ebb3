import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lbmesh.config.check import check_file
from tests.bench.gossip.sightings import Seen
from tests.bench.gossip.systems.base import Host, Said
from tests.bench.gossip.systems.lbmesh import Lbmesh
from tests.bench.gossip.systems.serf import Serf


def host(directory: Path) -> Host:
    return Host("n2", "10.0.0.2", "zone-b", ("10.0.0.1", "10.0.0.3"), bytes(range(32)), directory)


@pytest.mark.parametrize(
    ("change", "state"),
    [
        ("unknown to alive", Seen.ALIVE),
        ("alive to impaired", Seen.IMPAIRED),
        ("impaired to down", Seen.FAILED),
        ("alive to left", Seen.LEFT),
    ],
)
def test_lbmesh_says_members_in_json(change: str, state: Seen) -> None:
    at = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    line = {"time": "2026-01-02T03:04:05.678901Z", "event": "member", "subject": "n7", "change": change, "reason": ""}
    assert Lbmesh().read(json.dumps(line).encode()) == Said("n7", state, at.timestamp())


@pytest.mark.parametrize(
    "line",
    [
        b'{"time": "2026-01-02T03:04:05Z", "event": "replica", "subject": "member", "change": "up to down"}',
        b'{"event": "view", "reason": "\\"member\\""}',
        b'Traceback "member"',
        b"",
    ],
)
def test_other_lines_of_lbmesh_say_nothing(line: bytes) -> None:
    assert Lbmesh().read(line) is None


def test_lbmesh_s_configuration_is_fine(tmp_path: Path) -> None:
    command = Lbmesh().command(host(tmp_path))
    assert check_file(Path(command[-1]), 0.0) == ()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"    2026/01/02 03:04:05 [INFO] serf: EventMemberJoin: n3 10.0.0.3", Said("n3", Seen.ALIVE)),
        (b"    2026/01/02 03:04:05 [INFO] serf: EventMemberFailed: n3 10.0.0.3", Said("n3", Seen.FAILED)),
        (b"    2026/01/02 03:04:05 [INFO] serf: EventMemberLeave: n3 10.0.0.3", Said("n3", Seen.LEFT)),
        (b"    2026/01/02 03:04:05 [INFO] agent: Received event: member-failed", None),
        (b"    2026/01/02 03:04:05 [INFO] memberlist: Suspect n3 has failed, no acks received", None),
    ],
)
def test_serf_says_members_in_its_log(line: bytes, said: Said | None) -> None:
    assert Serf("lan").read(line) == said


def test_both_are_given_the_same_key_and_seeds(tmp_path: Path) -> None:
    place = host(tmp_path)
    serf, lbmesh = " ".join(Serf("local").command(place)), Lbmesh().command(place)
    config = Path(lbmesh[-1]).read_text()
    assert "-encrypt=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=" in serf
    assert (tmp_path / "gossip.key").read_text().strip() == bytes(range(32)).hex()
    assert all(f"-retry-join={seed}" in serf and f'"{seed}:7946"' in config for seed in place.seeds)
