"""Certificates and keys: what is taken, and in which of the two files what is wrong."""

import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from lbmesh.config.check import check_file
from lbmesh.config.key_pair import PairError, validity_fault
from lbmesh.config.load import load_settings, read_key_pair
from lbmesh.config.settings import Settings
from tests.support.certificates import Authority

CONFIG = """\
[node]
name = "lb"
zone = "zone-a"
[[listener]]
bind = "0.0.0.0:443"
tls = { cert = "CERT", key = "KEY" }
[[service]]
name = "shop"
replicas = [{ address = "10.0.1.20:8080", zone = "zone-a" }]
hosts = ["*"]
"""


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("pairs"))


def split(file: Path, directory: Path) -> tuple[Path, Path]:
    """The certificate and the key of `Authority.issue`, in two files."""
    text = file.read_text()
    at = text.index("-----BEGIN CERTIFICATE")
    cert, key = directory / "site.pem", directory / "site.key"
    cert.write_text(text[at:])
    key.write_text(text[:at])
    key.chmod(0o600)
    return cert, key


def fault(cert: Path, key: Path) -> tuple[str, str]:
    with pytest.raises(PairError) as raised:
        read_key_pair(cert, key)
    return raised.value.part, str(raised.value)


def test_a_sound_pair_is_read(authority: Authority, tmp_path: Path) -> None:
    cert, key = split(authority.issue("Shop.test", "*.shop.test", "10.0.0.1", "::1"), tmp_path)
    pair = read_key_pair(cert, key)
    assert pair.names == ("shop.test", "*.shop.test", "10.0.0.1", "::1")
    assert validity_fault(pair, time.time()) is None
    assert "PRIVATE KEY" in pair.key_pem
    assert "PRIVATE KEY" not in repr(pair)
    assert "BEGIN" not in repr(pair)


def test_what_is_wrong_is_said_of_the_right_file(authority: Authority, tmp_path: Path) -> None:
    cert, key = split(authority.issue("a.test"), tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    _, other_key = split(authority.issue("b.test"), other)
    none = tmp_path / "none"
    assert fault(none, key) == ("cert", f"there is no file {none}; write another path, or put it there")
    assert fault(cert, none) == ("key", f"there is no file {none}; write another path, or put it there")
    assert fault(cert, other_key)[0] == "key"
    assert "does not belong to the certificate" in fault(cert, other_key)[1]
    assert fault(key, key)[0] == "cert"
    assert "no private key in PEM that works" in fault(cert, authority_key(tmp_path))[1]
    key.chmod(0o644)
    assert fault(cert, key)[0] == "key"
    assert "its mode 0644 lets others read it" in fault(cert, key)[1]


def authority_key(directory: Path) -> Path:
    file = directory / "damaged.key"
    file.write_text("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
    file.chmod(0o600)
    return file


def test_a_key_with_a_passphrase_is_refused(authority: Authority, tmp_path: Path) -> None:
    cert, key = split(authority.issue("a.test"), tmp_path)
    key.write_bytes(
        ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    part, message = fault(cert, key)
    assert part == "key"
    assert "passphrase" in message
    assert "secret" not in message


def test_the_certificate_of_the_key_comes_first(authority: Authority, tmp_path: Path) -> None:
    cert, key = split(authority.issue("a.test"), tmp_path)
    own = cert.read_text()
    cert.write_text(authority.text + own)
    assert fault(cert, key) == ("cert", "the key belongs to certificate 2 of the file; write that one first")
    cert.write_text(own + authority.text)
    assert read_key_pair(cert, key).names == ("a.test",)


def test_a_damaged_certificate_is_refused(authority: Authority, tmp_path: Path) -> None:
    cert, key = split(authority.issue("a.test"), tmp_path)
    cert.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    assert fault(cert, key) == ("cert", "the file holds a damaged certificate; write it again")


def test_an_expired_certificate_starts_a_node_and_fails_a_check(authority: Authority, tmp_path: Path) -> None:
    cert, key = split(authority.issue("a.test", end=datetime(2024, 2, 29, tzinfo=UTC)), tmp_path)
    config = tmp_path / "lbmesh.toml"
    config.write_text(CONFIG.replace("CERT", str(cert)).replace("KEY", str(key)))
    assert isinstance(load_settings(config), Settings)
    assert check_file(config, time.time()) == (
        f"{config}:6: listener #1: tls.cert: {cert}: the certificate expired on 2024-02-29; renew it",
    )
    assert check_file(config, datetime(2023, 1, 1, tzinfo=UTC).timestamp()) == ()
    assert "only from 2020-01-01 on" in check_file(config, 0.0)[0]
