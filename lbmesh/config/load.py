"""From a file on this machine to settings: the one place of this room that touches the file system."""

import errno
import os
import re
import stat
from collections.abc import Callable
from pathlib import Path

from lbmesh.config.errors import ConfigError
from lbmesh.config.key_pair import PairError, Part, make_key_pair
from lbmesh.config.parse import CONFIG_CHARS_MAX, parse_settings
from lbmesh.config.route_rules import PAGE_BYTES_MAX
from lbmesh.config.settings import Settings
from lbmesh.model.tls import KeyPair

SECRET_BYTES_MAX = 64 * 1024
"""A key or token file larger than this is not one."""
CERTIFICATES_BYTES_MAX = 64 * 1024
"""Some forty authorities. The processor time to take one in is 0.1 ms, which the agent must be able to spare."""

_CERTIFICATE = re.compile("-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n?", re.DOTALL)


def load_settings(path: Path) -> Settings | tuple[ConfigError, ...]:
    """The settings in a file, or all its errors. Raises nothing for what a file can hold or lack."""
    try:
        data = _read(path, CONFIG_CHARS_MAX)
        text = data.decode()
    except OSError as failed:
        return (ConfigError(str(path), 0, "", "", f"cannot be read: {failed.strerror}"),)
    except UnicodeDecodeError as wrong:
        line = data.count(b"\n", 0, wrong.start) + 1
        return (ConfigError(str(path), line, "", "", "not UTF-8; save the file in that encoding"),)
    return parse_settings(
        text,
        file=str(path),
        host_name=os.uname().nodename,
        cpu_count=len(os.sched_getaffinity(0)),
        read_file=read_secret,
        read_certificates=read_certificates,
        read_page=read_page,
        read_key_pair=read_key_pair,
    )


def read_secret(path: Path) -> str:
    """The text of a file that only its owner may read.

    Raises OSError when it cannot be read, is a directory, may be read by others, or is too large.
    """
    found = path.stat().st_mode
    # Before its mode is looked at: one does not shut others out of a directory for that.
    if stat.S_ISDIR(found):
        raise IsADirectoryError(errno.EISDIR, "it is a directory; write the path of a file")
    mode = stat.S_IMODE(found)
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise PermissionError(errno.EPERM, f"its mode {mode:04o} lets others read it; run chmod 0600 {path}")
    return _read(path, SECRET_BYTES_MAX).decode("ascii", errors="replace")


def read_certificates(path: Path) -> str:
    """The certificates in a PEM file, without what else it holds, a private key for example.

    Raises OSError when it cannot be read or is too large, ValueError when it holds no certificates that work.
    """
    # Imported here, because the sentinel reads settings too, stays light, and seldom has certificates to read.
    import ssl

    text = _read(path, CERTIFICATES_BYTES_MAX).decode("ascii", errors="backslashreplace")
    certificates = "".join(f"{found.strip()}\n" for found in _CERTIFICATE.findall(text))
    if not certificates:
        raise ValueError("the file holds no certificate in PEM (-----BEGIN CERTIFICATE-----); write the authority's")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=certificates)
    except (ssl.SSLError, ValueError) as wrong:
        raise ValueError("the file holds a damaged certificate; write the authority's again") from wrong
    return certificates


def read_page(path: Path) -> str:
    """The text of a page. Raises OSError when it cannot be read or is too large, ValueError when it is not UTF-8."""
    try:
        return _read(path, PAGE_BYTES_MAX).decode()
    except UnicodeDecodeError as wrong:
        raise ValueError("not UTF-8; save the page in that encoding") from wrong


def read_key_pair(cert: Path, key: Path) -> KeyPair:
    """The certificate and its private key in these files; only their owner may be able to read the latter.

    Raises PairError, which says in which file what is wrong.
    """
    chain_pem = _pair_text("cert", cert, _read_chain)
    return make_key_pair(cert, key, chain_pem, _pair_text("key", key, read_secret))


def _read_chain(path: Path) -> str:
    text = _read(path, CERTIFICATES_BYTES_MAX).decode("ascii", errors="backslashreplace")
    chain = "".join(f"{found.strip()}\n" for found in _CERTIFICATE.findall(text))
    if not chain:
        raise ValueError("the file holds no certificate in PEM (-----BEGIN CERTIFICATE-----); write it, and its chain")
    return chain


def _pair_text(part: Part, path: Path, read: Callable[[Path], str]) -> str:
    try:
        return read(path)
    except FileNotFoundError as missing:
        raise PairError(part, f"there is no file {path}; write another path, or put it there") from missing
    except OSError as failed:
        raise PairError(part, f"cannot read {path}: {failed.strerror or type(failed).__name__}") from failed
    except ValueError as wrong:
        raise PairError(part, f"{path}: {wrong}") from wrong


def _read(path: Path, bytes_max: int) -> bytes:
    with path.open("rb") as file:
        data = file.read(bytes_max + 1)
    if len(data) > bytes_max:
        raise OSError(errno.EFBIG, f"larger than {bytes_max} bytes")
    return data
