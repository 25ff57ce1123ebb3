"""Files on disk: read, refused with words when they cannot be, secrets only when nobody else can read them."""

import os
import sys
from pathlib import Path

import pytest

from lbmesh.config.check import check_file
from lbmesh.config.load import (
    CERTIFICATES_BYTES_MAX,
    SECRET_BYTES_MAX,
    load_settings,
    read_certificates,
    read_secret,
)
from lbmesh.config.parse import CONFIG_CHARS_MAX
from lbmesh.config.settings import Settings
from tests.support.certificates import Authority
from tests.support.config_text import BASE, KEY

NOW_S = 1.8e9
"""In 2027."""


def write(folder: Path, text: str = BASE, key_mode: int = 0o600) -> Path:
    """The base file in `folder`, with its two secrets beside it."""
    for name, content in (("gossip.key", KEY), ("admin.token", "secret")):
        secret = folder / name
        secret.write_text(content)
        secret.chmod(key_mode)
        text = text.replace(f'"/{name}"', f'"{secret}"')
    file = folder / "lbmesh.toml"
    file.write_text(text)
    return file


def test_a_sound_file_loads_and_checks(tmp_path: Path) -> None:
    file = write(tmp_path, BASE.replace("[node]", '[node]\nname = "lb-a1"'))
    loaded = load_settings(file)
    assert isinstance(loaded, Settings)
    assert loaded.gossip is not None
    assert loaded.gossip.keys == (bytes.fromhex(KEY),)
    assert loaded.workers == len(os.sched_getaffinity(0))
    assert check_file(file, NOW_S) == ()


def test_the_host_s_name_is_the_default(tmp_path: Path) -> None:
    loaded = load_settings(write(tmp_path))
    if isinstance(loaded, Settings):
        assert loaded.node.name == os.uname().nodename
    else:
        assert [error.path for error in loaded] == ["node.name"]


def test_check_shows_every_error_with_file_and_line(tmp_path: Path) -> None:
    file = write(
        tmp_path, BASE.replace("[node]", '[node]\nname = "lb-a1"').replace('"1s"', "1").replace("0.0.0.0:80", "0.0.0.0")
    )
    lines = check_file(file, NOW_S)
    assert [line.split(" ")[0] for line in lines] == [f"{file}:8:", f"{file}:12:"]


def test_check_tells_of_a_front_whose_program_is_not_there(tmp_path: Path) -> None:
    program = tmp_path / "move"
    front = f'''[[front]]\naddress = "203.0.113.10"\nzone = "zone-a"\ndriver = "command"\nclass = "overlap"
options = {{ run = "{program}" }}\n'''
    file = write(tmp_path, BASE.replace("[node]", '[node]\nname = "lb-a1"') + front)
    line = BASE.count("\n") + 7
    where = f'{file}:{line}: front "203.0.113.10": options.run: found "{program}"; '
    assert check_file(file, NOW_S) == (f"{where}there is no such program; install it, or correct the path",)
    program.touch()
    assert check_file(file, NOW_S) == (f"{where}it may not be executed; run chmod +x {program}",)
    program.chmod(0o700)
    assert check_file(file, NOW_S) == ()


def test_check_tells_of_a_front_of_ec2_without_boto3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    front = """[[front]]\naddress = "203.0.113.10"\nzone = "zone-a"\ndriver = "ec2"
options = { resource = "eipalloc-01234567" }
[failover.zones]\nzone-a = ["lb-a1"]\nzone-b = ["lb-b1"]\nzone-c = ["lb-c1"]\n"""
    file = write(tmp_path, BASE.replace("[node]", '[node]\nname = "lb-a1"') + front)
    monkeypatch.setitem(sys.modules, "boto3", None)
    (line,) = check_file(file, NOW_S)
    assert line.endswith("this needs boto3, which is not installed; run /opt/lbmesh/bin/pip install 'lbmesh[ec2]'")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601])
def test_a_key_that_others_can_reach_is_refused(tmp_path: Path, mode: int) -> None:
    file = write(tmp_path, BASE.replace("[node]", '[node]\nname = "lb-a1"'), key_mode=mode)
    key = tmp_path / "gossip.key"
    assert check_file(file, NOW_S)[0] == (
        f"{file}:6: gossip.key_file: cannot read {key}: its mode {mode:04o} lets others read it; run chmod 0600 {key}"
    )


def test_a_key_that_only_its_owner_may_read_is_fine(tmp_path: Path) -> None:
    secret = tmp_path / "key"
    secret.write_text("x")
    secret.chmod(0o400)
    assert read_secret(secret) == "x"


def test_a_directory_is_no_secret_and_its_mode_stays_as_it_is(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    with pytest.raises(IsADirectoryError, match="it is a directory; write the path of a file"):
        read_secret(tmp_path)


def test_a_secret_is_bounded(tmp_path: Path) -> None:
    secret = tmp_path / "key"
    secret.write_bytes(b"0" * (SECRET_BYTES_MAX + 1))
    secret.chmod(0o600)
    with pytest.raises(OSError, match=f"larger than {SECRET_BYTES_MAX} bytes"):
        read_secret(secret)


def test_a_secret_that_is_no_text_is_told_like_any_other(tmp_path: Path) -> None:
    file = write(tmp_path, BASE.replace("[node]", '[node]\nname = "lb-a1"'))
    (tmp_path / "gossip.key").write_bytes(b"\xff" * 64)
    assert ["line 1 of the key file is not" in line for line in check_file(file, NOW_S)] == [True]


def test_check_says_when_the_access_log_s_directory_is_missing_which_a_node_can_run_without(tmp_path: Path) -> None:
    file = write(tmp_path, BASE + f'[log]\naccess = "{tmp_path}/logs/access.log"\n')
    line = BASE.count("\n") + 2
    (error,) = check_file(file, NOW_S)
    assert error.startswith(f"{file}:{line}: log.access: found ")
    assert f"there is no directory {tmp_path}/logs; make it" in error
    assert isinstance(load_settings(file), Settings)
    (tmp_path / "logs").mkdir()
    assert check_file(file, NOW_S) == ()


CA = 'health = { interval = "2s", tls = { ca = "/ca.pem" } }'


def test_an_authority_s_certificate_is_read_when_the_settings_are(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    mixed = tmp_path / "mixed.pem"
    mixed.write_text(f"# mine: ä\n{authority.issue('a').read_text()}{authority.text}")
    text = BASE.replace("[node]", '[node]\nname = "lb-a1"').replace('health = { interval = "2s" }', CA)
    loaded = load_settings(write(tmp_path, text.replace("/ca.pem", str(mixed))))
    assert isinstance(loaded, Settings), loaded
    health = loaded.services[0].health
    assert health is not None
    assert health.tls is not None
    assert health.tls.ca_certificates is not None
    assert health.tls.ca_certificates.endswith(authority.text)
    assert health.tls.ca_certificates.count("BEGIN") == 2
    assert "PRIVATE" not in health.tls.ca_certificates


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the file holds no certificate in PEM (-----BEGIN CERTIFICATE-----); write the authority's"),
        (b"\x30\x82\xff", "the file holds no certificate in PEM (-----BEGIN CERTIFICATE-----); write the authority's"),
        (b"-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----\n",
         "the file holds a damaged certificate; write the authority's again"),
        (b"-----BEGIN CERTIFICATE-----\n\xe4\n-----END CERTIFICATE-----\n",
         "the file holds a damaged certificate; write the authority's again"),
    ],
)  # fmt: skip
def test_a_bad_authority_is_told_with_its_line(tmp_path: Path, content: bytes, said: str) -> None:
    ca = tmp_path / "ca.pem"
    ca.write_bytes(content)
    text = BASE.replace("[node]", '[node]\nname = "lb-a1"').replace('health = { interval = "2s" }', CA)
    file = write(tmp_path, text.replace("/ca.pem", str(ca)))
    assert check_file(file, NOW_S) == (f'{file}:13: service "shop": health.tls.ca: {ca}: {said}',)


def test_an_authority_is_bounded(tmp_path: Path) -> None:
    big = tmp_path / "ca.pem"
    big.write_bytes(b"#" * (CERTIFICATES_BYTES_MAX + 1))
    with pytest.raises(OSError, match="larger than"):
        read_certificates(big)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    assert check_file(tmp_path / "none.toml", NOW_S) == (
        f"{tmp_path}/none.toml: cannot be read: No such file or directory",
    )
    assert check_file(tmp_path, NOW_S) == (f"{tmp_path}: cannot be read: Is a directory",)


def test_a_file_that_is_not_utf_8_names_the_line(tmp_path: Path) -> None:
    file = tmp_path / "latin.toml"
    file.write_bytes(b"[node]\n# fine\nname = '\xe9'\n")
    assert check_file(file, NOW_S) == (f"{file}:3: not UTF-8; save the file in that encoding",)


def test_a_file_is_bounded(tmp_path: Path) -> None:
    file = tmp_path / "big.toml"
    file.write_bytes(b"#" * (CONFIG_CHARS_MAX + 1))
    assert check_file(file, NOW_S) == (f"{file}: cannot be read: larger than {CONFIG_CHARS_MAX} bytes",)
