"""Clients that speak TLS: which version and cipher they ask for, and one that makes handshakes.

`python -m tests.bench.tls_client '{"port": 8443, ...}'` (the fields of `Order`) makes connections one after the
other on a few threads, sends one request on each, and prints one JSON object (those of `Outcome`).
"""

import json
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from tests.bench.proxies.base import TLS12_CIPHER, TLS13_CIPHER, Certificate
from tests.support.certificates import Authority

REQUEST = b"GET / HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n"
NAME = "bench"
THREADS = 4
TIMEOUT_S = 10.0


class Version(StrEnum):
    """Of the protocol, as openssl.cnf(5) and Python name it."""

    TLS12 = "TLSv1.2"
    TLS13 = "TLSv1.3"


CIPHERS = {Version.TLS12: TLS12_CIPHER, Version.TLS13: TLS13_CIPHER}

_OPENSSL_CONF = """\
openssl_conf = start
[start]
ssl_conf = libssl
[libssl]
system_default = defaults
[defaults]
MinProtocol = {version}
MaxProtocol = {version}
CipherString = {tls12}
Ciphersuites = {tls13}
Groups = P-256
"""


@dataclass(frozen=True, slots=True)
class Order:
    """`authority`: the file of whom to trust. `resume`: a session of an earlier connection, each time but the first on
    each thread.
    """

    port: int
    version: Version
    authority: str
    seconds: float
    resume: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """`connections` were made and answered with 200; in `resumed` of them the handshake was short."""

    connections: int
    resumed: int
    ciphers: tuple[str, ...]
    versions: tuple[str, ...]


def make_certificate(directory: Path) -> tuple[Certificate, Path]:
    """A certificate for clients that call the server NAME, and the file of the authority that signed it."""
    authority = Authority(directory)
    both = authority.issue(NAME, "127.0.0.1")
    text, mark = both.read_text(), "-----BEGIN CERTIFICATE-----"
    certificate = Certificate(directory / "site.pem", directory / "site.key", both)
    certificate.certificate.write_text(text[text.index(mark) :])
    certificate.key.write_text(text[: text.index(mark)])
    certificate.key.chmod(0o600)
    return certificate, authority.file


def openssl_conf(directory: Path, version: Version) -> Path:
    """A file that has any program on OpenSSL ask for this version, our ciphers and P-256 (OPENSSL_CONF in
    openssl(1)).
    """
    file = directory / f"openssl-{version}.cnf"
    file.write_text(_OPENSSL_CONF.format(version=version, tls12=TLS12_CIPHER, tls13=TLS13_CIPHER))
    return file


def client_context(order: Order) -> ssl.SSLContext:
    """A client's side, which verifies the server."""
    context = ssl.create_default_context(cafile=order.authority)
    context.minimum_version = context.maximum_version = {
        Version.TLS12: ssl.TLSVersion.TLSv1_2,
        Version.TLS13: ssl.TLSVersion.TLSv1_3,
    }[order.version]
    if order.version is Version.TLS12:
        context.set_ciphers(TLS12_CIPHER)
    return context


class Handshakes:
    """Carries out one order."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._until = time.monotonic() + order.seconds
        self._lock = threading.Lock()
        self._connections = 0
        self._resumed = 0
        self._seen: set[tuple[str, str]] = set()
        self._failures: list[Exception] = []

    def run(self) -> Outcome:
        """Raises what a thread raised: OSError, ssl.SSLError, RuntimeError for an answer that is not 200."""
        threads = [threading.Thread(target=self._guarded) for _ in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self._failures:
            raise self._failures[0]
        ciphers, versions = (tuple(sorted({pair[i] for pair in self._seen})) for i in range(2))
        return Outcome(self._connections, self._resumed, ciphers, versions)

    def _guarded(self) -> None:
        try:
            self._connect_on()
        except Exception as error:
            self._failures.append(error)

    def _connect_on(self) -> None:
        context, session, made, resumed = client_context(self._order), None, 0, 0
        seen = set()
        while time.monotonic() < self._until:
            plain = socket.create_connection(("127.0.0.1", self._order.port), timeout=TIMEOUT_S)
            # Else the request would wait for the server's acknowledgement of the end of a short handshake, 40 ms.
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with context.wrap_socket(plain, server_hostname=NAME, session=session) as connection:
                connection.sendall(REQUEST)
                answer = _read_all(connection)
                if answer[9:12] != b"200":
                    raise RuntimeError(f"answered with {answer[:80]!r}")
                made += 1
                resumed += bool(connection.session_reused)
                cipher = connection.cipher()
                seen.add((cipher[0] if cipher else "", connection.version() or ""))
                session = connection.session if self._order.resume else None
        with self._lock:
            self._connections += made
            self._resumed += resumed
            self._seen |= seen


def _read_all(connection: ssl.SSLSocket) -> bytes:
    """To the end of the stream. Some servers end it without the alert that RFC 8446 §6.1 wants; that is not judged
    here.
    """
    data = b""
    try:
        while received := connection.recv(65_536):
            data += received
    except ssl.SSLEOFError:
        pass
    return data


def carry_out(order: Order, directory: Path, cpu: int) -> Outcome:
    """Have a process of its own, held to one core, carry out an order. Raises RuntimeError when it fails."""
    finished = subprocess.run(
        [sys.executable, "-m", "tests.bench.tls_client", json.dumps(asdict(order))],
        capture_output=True,
        text=True,
        check=False,
        timeout=order.seconds + 60,
        env={**os.environ, "OPENSSL_CONF": str(openssl_conf(directory, order.version))},
        preexec_fn=lambda: os.sched_setaffinity(0, {cpu}),
    )
    if finished.returncode:
        raise RuntimeError(f"the TLS client failed: {finished.stderr.strip().splitlines()[-1:]}")
    fields = json.loads(finished.stdout)
    return Outcome(fields["connections"], fields["resumed"], tuple(fields["ciphers"]), tuple(fields["versions"]))


def main(arguments: Sequence[str]) -> None:
    """Carry out the order that stands in the one argument."""
    fields = json.loads(arguments[0])
    print(json.dumps(asdict(Handshakes(Order(**{**fields, "version": Version(fields["version"])})).run())))


if __name__ == "__main__":
    main(sys.argv[1:])
