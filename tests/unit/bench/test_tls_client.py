"""The client that makes handshakes, against Python's own server."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bench.tls_client import CIPHERS, THREADS, Handshakes, Order, Version, make_certificate


@contextlib.contextmanager
def serving(directory: Path, answer: bytes) -> Iterator[tuple[int, str]]:
    certificate, authority = make_certificate(directory)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.certificate, certificate.key)

    def serve(connected: socket.socket) -> None:
        with contextlib.suppress(OSError), context.wrap_socket(connected, server_side=True) as connection:
            connection.recv(65_536)
            connection.sendall(answer)
            connection.unwrap()

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listening.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0), backlog=64) as listening:
        thread = threading.Thread(target=accept)
        thread.start()
        yield listening.getsockname()[1], str(authority)
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.mark.parametrize("version", list(Version))
@pytest.mark.parametrize("resume", [False, True])
def test_handshakes_are_full_or_resumed_as_asked(tmp_path: Path, version: Version, resume: bool) -> None:
    with serving(tmp_path, b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n") as (port, authority):
        found = Handshakes(Order(port, version, authority, seconds=0.3, resume=resume)).run()
    assert found.versions == (version,)
    assert found.connections > THREADS
    assert found.resumed == (found.connections - THREADS if resume else 0)
    if version is Version.TLS12:
        assert found.ciphers == (CIPHERS[version],)


def test_an_answer_that_is_not_200_is_an_error(tmp_path: Path) -> None:
    with (
        serving(tmp_path, b"HTTP/1.1 503 Busy\r\n\r\n") as (port, authority),
        pytest.raises(RuntimeError, match="503"),
    ):
        Handshakes(Order(port, Version.TLS13, authority, seconds=0.3, resume=False)).run()
