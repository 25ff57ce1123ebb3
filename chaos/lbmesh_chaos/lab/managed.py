"""A provider's managed balancer and its control plane, as in December 2012: the one obeys whatever the other says.

    python -m lbmesh_chaos.lab.managed control-plane PORT BEHAVIOUR BACKEND…
    python -m lbmesh_chaos.lab.managed balancer PORT CONTROL-PLANE

The control plane answers GET /config with the backends' addresses, as JSON. Its behaviour is an object in the file
BEHAVIOUR, while that is there: {"mode": "hangs"} never answers, "lies" names backends that do not exist, "empty" names
none. The balancer asks every `ASK_EVERY_S`, and forwards each connection to the next backend; to none, when it has been
told that there is none, and then it resets it.
"""

import json
import socket
import struct
import sys
from collections.abc import Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path

import httpx
import trio

ASK_EVERY_S = 0.5
ANSWER_WITHIN_S = 2.0
CONNECT_WITHIN_S = 1.0
LIES = ("198.18.0.1:9", "198.18.0.2:9")
"""Nobody has these addresses (RFC 2544)."""
_CHUNK = 64 * 1024
_RESET = struct.pack("ii", 1, 0)


class ManagedBalancer:
    """Forwards connections, whatever is in them."""

    def __init__(
        self, control_plane: str, ask_every_s: float = ASK_EVERY_S, answer_within_s: float = ANSWER_WITHIN_S
    ) -> None:
        self._url = f"http://{control_plane}/config"
        self._ask_every_s = ask_every_s
        self._answer_within_s = answer_within_s
        self._backends: tuple[str, ...] = ()
        self._turn = count()

    async def obey(self, *, task_status: "trio.TaskStatus[None]" = trio.TASK_STATUS_IGNORED) -> None:
        """Ask the control plane again and again; started when it has answered once."""
        async with httpx.AsyncClient(timeout=self._answer_within_s) as client:
            while True:
                with suppress(httpx.HTTPError, ValueError):
                    self._backends = tuple((await client.get(self._url)).json())
                    task_status.started()
                    task_status = trio.TASK_STATUS_IGNORED
                await trio.sleep(self._ask_every_s)

    async def serve(self, stream: trio.SocketStream) -> None:
        """One connection, to its end."""
        async with stream:
            if not self._backends:
                stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                return
            host, _, port = self._backends[next(self._turn) % len(self._backends)].rpartition(":")
            with suppress(OSError, trio.TooSlowError):
                with trio.fail_after(CONNECT_WITHIN_S):
                    backend = await trio.open_tcp_stream(host, int(port))
                async with backend, trio.open_nursery() as nursery:
                    nursery.start_soon(_copy, stream, backend)
                    await _copy(backend, stream)
                    nursery.cancel_scope.cancel()


async def _copy(source: trio.SocketStream, sink: trio.SocketStream) -> None:
    with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
        async for chunk in source:
            await sink.send_all(chunk)
        await sink.send_eof()


async def _run_balancer(port: int, control_plane: str) -> None:
    balancer = ManagedBalancer(control_plane)
    async with trio.open_nursery() as nursery:
        await nursery.start(balancer.obey)
        await trio.serve_tcp(balancer.serve, port)


class ControlPlane:
    """Tells where the backends are, in the mode that its behaviour's file says."""

    def __init__(self, behaviour: Path, backends: Sequence[str], lies: Sequence[str] = LIES) -> None:
        self._behaviour = behaviour
        self._backends = backends
        self._lies = lies

    async def serve(self, stream: trio.SocketStream) -> None:
        """One question, and its answer if there is one."""
        async with stream:
            with suppress(trio.BrokenResourceError):
                await stream.receive_some(_CHUNK)
                said = said_by(_mode(self._behaviour), self._backends, self._lies)
                if said is None:
                    await trio.sleep_forever()
                body = json.dumps(said).encode()
                head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
                await stream.send_all(head.encode() + body)


def said_by(mode: str, backends: Sequence[str], lies: Sequence[str] = LIES) -> list[str] | None:
    """What the control plane says in that mode; None: nothing, ever. Raises ValueError for one that there is not."""
    match mode:
        case "well":
            return list(backends)
        case "hangs":
            return None
        case "lies":
            return list(lies)
        case "empty":
            return []
        case _:
            raise ValueError(f"no mode {mode!r}; write well, hangs, lies or empty")


def _mode(behaviour: Path) -> str:
    try:
        return str(json.loads(behaviour.read_text())["mode"])
    except FileNotFoundError:
        return "well"


def main(arguments: Sequence[str]) -> int:
    """Serve until killed; the exit code."""
    match arguments:
        case ["control-plane", port, behaviour, *backends]:
            trio.run(trio.serve_tcp, ControlPlane(Path(behaviour), backends).serve, int(port))
        case ["balancer", port, control_plane]:
            trio.run(_run_balancer, int(port), control_plane)
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
