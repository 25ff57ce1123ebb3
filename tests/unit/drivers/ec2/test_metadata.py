"""What the instance metadata tell, by a server that answers as they do, or not."""

import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread

import pytest
import trio

from lbmesh.drivers.ec2.errors import Ec2Error
from lbmesh.drivers.ec2.metadata import Metadata

FIRST, SECOND = "network/interfaces/macs/02:00:00:00:00:01", "network/interfaces/macs/02:00:00:00:00:02"
KNOWN = {
    "placement/region": "eu-central-1",
    "mac": "02:00:00:00:00:01",
    "network/interfaces/macs/": "02:00:00:00:00:02/\n02:00:00:00:00:01/",
    f"{FIRST}/interface-id": "eni-01234567",
    f"{FIRST}/subnet-id": "subnet-01234567",
    f"{SECOND}/interface-id": "eni-89abcdef",
    f"{SECOND}/subnet-id": "subnet-89abcdef",
}


_ABSENT = "no such thing"


class _Service(BaseHTTPRequestHandler):
    answers = KNOWN

    def do_PUT(self) -> None:
        self._answer("token" if self.path == "/latest/api/token" else None)

    def do_GET(self) -> None:
        has_token = self.headers.get("X-aws-ec2-metadata-token") == "token"
        self._answer(self.answers.get(self.path.removeprefix("/latest/meta-data/")) if has_token else None)

    def _answer(self, text: str | None) -> None:
        body = (_ABSENT if text is None else text).encode()
        self.send_response(404 if text is None else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nothing to say."""


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Service)
    thread = Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    url = f"http://127.0.0.1:{server.server_address[1]}/"
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", url)
    yield url
    server.shutdown()
    server.server_close()
    thread.join()


def ask(question: Callable[[Metadata], Awaitable[str]]) -> str:
    async def run() -> str:
        return await question(Metadata())

    return trio.run(run)


@pytest.mark.usefixtures("service")
def test_the_region_and_the_interface() -> None:
    assert ask(lambda metadata: metadata.region()) == "eu-central-1"
    assert ask(lambda metadata: metadata.interface(None)) == "eni-01234567"
    assert ask(lambda metadata: metadata.interface("subnet-89abcdef")) == "eni-89abcdef"
    with pytest.raises(Ec2Error, match=r"^this instance has no interface in subnet-00000000: attach one"):
        ask(lambda metadata: metadata.interface("subnet-00000000"))


@pytest.mark.usefixtures("service")
@pytest.mark.parametrize("answer", ["", "x" * 1000, "eu-central-1\0"])
def test_what_is_no_answer_is_not_taken(answer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_Service, "answers", KNOWN | {"placement/region": answer})
    with pytest.raises(Ec2Error, match=r"metadata do not tell the region .*write the region in options\.region"):
        ask(lambda metadata: metadata.region())


def test_nobody_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1")
    with pytest.raises(Ec2Error, match=r"metadata do not tell this node's interface .*options\.interfaces"):
        ask(lambda metadata: metadata.interface(None))


def test_one_that_answers_byte_by_byte_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte comes in time, the answer does not."""
    ended = Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def trickle() -> None:
            client, _ = listener.accept()
            with client, suppress(OSError):
                for byte in b"HTTP/1.1 200 OK\r\nX-Slow: " + 60 * b"x":
                    client.send(bytes([byte]))
                    if ended.wait(0.05):
                        return

        thread = Thread(target=trickle)
        thread.start()
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", f"http://127.0.0.1:{listener.getsockname()[1]}")
        with pytest.raises(Ec2Error, match="the instance metadata do not answer within 1 s"):
            ask(lambda metadata: metadata.region())
        ended.set()
        thread.join()
