"""The example of a front's program, against a server that answers as the provider's reference says."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

PROGRAM = Path(__file__).parents[2] / "deploy" / "fronts" / "move-hetzner"

if not (shutil.which("curl") and shutil.which("jq")):
    pytest.skip("curl or jq is not there", allow_module_level=True)


class Provider(ThreadingHTTPServer):
    """`server`: to whom the address is assigned; `is_slow`: an assignment is only begun."""

    server_id = 41
    labels: dict[str, str] = {}  # noqa: RUF012
    is_slow = False


class Handler(BaseHTTPRequestHandler):
    server: Provider

    def do_GET(self) -> None:
        self._answer({"floating_ip": {"server": self.server.server_id, "labels": self.server.labels}})

    def do_PUT(self) -> None:
        self.server.labels = self._body()["labels"]
        self._answer({})

    def do_POST(self) -> None:
        if not self.server.is_slow:
            self.server.server_id = self._body()["server"]
        self._answer({})

    def _body(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        return found

    def _answer(self, body: object) -> None:
        is_right = self.headers["Authorization"] == "Bearer secret" and "/floating_ips/4711" in self.path
        text = json.dumps(body).encode()
        self.send_response(200 if is_right else 403)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nothing to say."""


@pytest.fixture
def provider() -> Iterator[Provider]:
    server = Provider(("127.0.0.1", 0), Handler)
    server.labels = {"team": "edge"}
    thread = Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def run(
    provider: Provider, directory: Path, verb: str, epoch: int, node: str = "lb-a1", server: int = 42
) -> tuple[int, str]:
    """Exit status and output."""
    settings = directory / "env"
    settings.write_text(f"TOKEN=secret\nFLOATING_IP=4711\nSERVER={server}\n")
    told = {"HETZNER_ENV": str(settings), "API": f"http://127.0.0.1:{provider.server_address[1]}", "LBMESH_NODE": node}
    argv = [str(PROGRAM), verb, "198.51.100.8", str(epoch), "home"]
    done = subprocess.run(argv, env=os.environ | told, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, (done.stdout or done.stderr).strip()


def test_it_moves_signs_and_refuses_an_older_claim(provider: Provider, tmp_path: Path) -> None:
    assert run(provider, tmp_path, "acquire", 7) == (0, "")
    assert (provider.server_id, provider.labels) == (42, {"team": "edge", "lbmesh-epoch": "7", "lbmesh-node": "lb-a1"})
    assert run(provider, tmp_path, "check", 7) == (0, "")
    assert run(provider, tmp_path, "acquire", 8, "lb-b1", 43) == (0, "")
    for epoch in (7, 8):
        assert run(provider, tmp_path, "acquire", epoch) == (10, "8")
    assert provider.server_id == 43
    assert run(provider, tmp_path, "release", 8, "lb-b1", 43) == (0, "")
    provider.server_id = 44
    assert run(provider, tmp_path, "check", 8, "lb-b1", 43) == (11, "server 44")


def test_a_slow_provider_is_waited_for(provider: Provider, tmp_path: Path) -> None:
    provider.is_slow = True
    assert run(provider, tmp_path, "acquire", 7) == (75, "still assigned to 41")
    provider.is_slow = False
    assert run(provider, tmp_path, "acquire", 7) == (0, "")
