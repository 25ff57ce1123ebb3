"""A cloud for tests: moto's server in a process of its own, and between it and boto3 a proxy that is slow, throttles,
fails, lies, and notes what it was asked.

moto's own lies are mended on the way: a filter by private address that knows first addresses only, and none by IPv6.
"""

import http.client
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any
from urllib.parse import parse_qsl, urlencode
from xml.etree import ElementTree

_MUTATION = re.compile(r"Associate|Disassociate|Assign|Unassign|CreateRoute|ReplaceRoute|CreateTags")
_ADDRESS_FILTERS = ("addresses.private-ip-address", "ipv6-addresses.ipv6-address")

Fields = dict[str, str]


@dataclass(frozen=True, slots=True)
class Reply:
    """What the proxy answers by itself. `status` 0: it closes the connection without a word."""

    status: int
    body: bytes = b""


Fault = Callable[[Fields], Reply | None]
"""From a request's fields to what is answered instead of moto's answer; None for that."""


def error(code: str, status: int = 400, message: str = "said so") -> Reply:
    """An error as EC2 spells it."""
    text = f"<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors></Response>"
    return Reply(status, text.encode())


def success(action: str, inner: str = "<return>true</return>") -> Reply:
    """A success of which nothing is true."""
    return Reply(
        200, f'<{action}Response xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">{inner}</{action}Response>'.encode()
    )


@dataclass(slots=True)
class Cloud:
    """`faults`: by action; `asked`: the actions, in order; `url`: the proxy's."""

    moto_port: int
    url: str = ""
    faults: dict[str, Fault] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    released: Event = field(default_factory=Event)
    """Set when nothing shall hang any more."""

    @property
    def moved(self) -> list[str]:
        """All that was asked and changes something."""
        return [action for action in self.asked if _MUTATION.match(action)]

    def reset(self) -> None:
        """Forget faults and notes."""
        self.faults.clear()
        self.asked.clear()

    def hang(self, _: Fields) -> Reply:
        """A fault: no answer, for as long as the test lasts."""
        self.released.wait(60)
        return Reply(0)

    def forward(self, headers: Any, body: bytes) -> Reply:
        """To moto and back."""
        fields = dict(parse_qsl(body.decode(), keep_blank_values=True))
        wanted = _take_address_filter(fields)
        sent = urlencode(fields).encode()
        kept = {key: value for key, value in headers.items() if key.lower() not in ("content-length", "expect")}
        connection = http.client.HTTPConnection("127.0.0.1", self.moto_port, timeout=60)
        try:
            connection.request("POST", "/", sent, kept)
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        return Reply(answer.status, _only_with(text, wanted) if wanted else text)


def _take_address_filter(fields: Fields) -> str:
    """The address that is asked for, "" for none; the filter is taken out."""
    for key, value in list(fields.items()):
        if value in _ADDRESS_FILTERS:
            number = key.split(".")[1]
            wanted = fields[f"Filter.{number}.Value.1"]
            for each in [one for one in fields if one.startswith(f"Filter.{number}.")]:
                del fields[each]
            return wanted
    return ""


def _only_with(text: bytes, address: str) -> bytes:
    """The listing with the interfaces that have this address."""
    root = ElementTree.fromstring(text)
    for listed in root.iter():
        if listed.tag.endswith("networkInterfaceSet"):
            for one in list(listed):
                if address not in [each.text for each in one.iter()]:
                    listed.remove(one)
    return ElementTree.tostring(root)


class _Server(ThreadingHTTPServer):
    cloud: Cloud


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        cloud = self.server.cloud
        body = self.rfile.read(int(self.headers["Content-Length"]))
        fields = dict(parse_qsl(body.decode(), keep_blank_values=True))
        action = fields.get("Action", "")
        cloud.asked.append(action)
        fault = cloud.faults.get(action) or cloud.faults.get("*")
        reply = (fault(fields) if fault else None) or cloud.forward(self.headers, body)
        self.close_connection = True
        if reply.status:
            self.send_response(reply.status)
            self.send_header("Content-Type", "text/xml")
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """The test says what it has to say."""


@contextmanager
def running_cloud() -> Iterator[Cloud]:
    """moto and the proxy, until the block ends."""
    environment = os.environ | {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    moto = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert moto.stderr is not None
    server: _Server | None = None
    try:
        found = next(filter(None, (re.search(r"http://127\.0\.0\.1:(\d+)", line) for line in moto.stderr)), None)
        assert found, "moto's server does not start"
        Thread(target=lambda: [None for _ in moto.stderr or ()], daemon=True).start()
        server = _Server(("127.0.0.1", 0), _Handler)
        cloud = server.cloud = Cloud(int(found[1]), f"http://127.0.0.1:{server.server_address[1]}")
        server.daemon_threads = True
        Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield cloud
    finally:
        if server is not None:
            server.cloud.released.set()
            server.shutdown()
            server.server_close()
        moto.kill()
        moto.wait(30)
        moto.stderr.close()


def delayed(seconds: float) -> Fault:
    """A fault: late, and then as usual."""

    def wait(_: Fields) -> None:
        time.sleep(seconds)

    return wait
