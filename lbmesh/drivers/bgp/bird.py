"""A client of BIRD's control socket: one connection, one command at a time, each with a deadline."""

import errno
import os
from dataclasses import dataclass
from pathlib import Path

import trio

from lbmesh.drivers.bgp.limits import COMMAND_S
from lbmesh.drivers.bgp.replies import NotBirdError, Reply, ReplyReader

_RECEIVE_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why there is no reply, with what to do. `is_absent`: nobody is there, so that nothing is announced."""

    words: str
    is_absent: bool = False


class Bird:
    """BIRD behind one socket. A connection is kept, and made anew when BIRD has been restarted."""

    def __init__(self, socket: Path) -> None:
        self._path = socket
        self._stream: trio.SocketStream | None = None
        self._reader = ReplyReader()
        self._turn = trio.Lock()

    async def ask(self, command: str) -> Reply | Trouble:
        """What it says to a command, which it may get twice: a connection is found to be dead only when it is used."""
        async with self._turn:
            is_kept = self._stream is not None
            answer = await self._within_time(command)
            if isinstance(answer, Trouble) and is_kept and answer.is_absent:
                answer = await self._within_time(command)
            return answer

    async def close(self) -> None:
        """Hang up."""
        stream, self._stream = self._stream, None
        if stream is not None:
            await trio.aclose_forcefully(stream)

    async def _within_time(self, command: str) -> Reply | Trouble:
        """After a failure the connection is given up: what is left of an answer must not be taken for the next."""
        answer: Reply | Trouble = Trouble(
            f"BIRD at {self._path} has not answered for {COMMAND_S:g} s, so it hangs: systemctl restart bird"
        )
        try:
            with trio.move_on_after(COMMAND_S):
                answer = await self._exchange(command)
        finally:
            if isinstance(answer, Trouble):
                with trio.CancelScope(shield=True):
                    await self.close()
        return answer

    async def _exchange(self, command: str) -> Reply | Trouble:
        try:
            if self._stream is None:
                self._stream = await self._connect()
                self._reader = ReplyReader()
                await self._receive(self._stream)
            await self._stream.send_all(command.encode() + b"\n")
            return await self._receive(self._stream)
        except (trio.BrokenResourceError, EOFError):
            return Trouble(f"BIRD at {self._path} hung up: it is being restarted, or ended", is_absent=True)
        except NotBirdError as odd:
            return Trouble(f"what listens at {self._path} is not BIRD 2: it says {odd}; correct options.socket")
        except OSError as error:
            return self._why(error)

    async def _connect(self) -> trio.SocketStream:
        opened = trio.socket.socket(trio.socket.AF_UNIX, trio.socket.SOCK_STREAM)
        try:
            await opened.connect(str(self._path))
        except BaseException:
            opened.close()
            raise
        return trio.SocketStream(opened)

    async def _receive(self, stream: trio.SocketStream) -> Reply:
        """The next reply. Raises EOFError."""
        while True:
            data = await stream.receive_some(_RECEIVE_BYTES)
            if not data:
                raise EOFError
            if replies := self._reader.feed(data):
                return replies[-1]

    def _why(self, error: OSError) -> Trouble:
        match error.errno:
            case errno.ENOENT:
                return Trouble(
                    f"BIRD does not run, or has another socket: there is no {self._path}; systemctl start bird, or "
                    "correct options.socket",
                    is_absent=True,
                )
            case errno.ECONNREFUSED:
                words = f"BIRD does not run: nobody listens at {self._path}; systemctl start bird"
                return Trouble(words, is_absent=True)
            case errno.EACCES | errno.EPERM:
                return Trouble(
                    f"{self._path} may not be used: give the service BIRD's group (SupplementaryGroups=bird, in "
                    "deploy/drop-ins/lbmesh.service.d/bgp.conf)"
                )
            case errno.EAGAIN:
                return Trouble(f"BIRD at {self._path} takes no connections, so it hangs: systemctl restart bird")
            case _:
                said = os.strerror(error.errno).lower() if error.errno else str(error)
                return Trouble(f"BIRD cannot be asked at {self._path}: {said}; correct options.socket")
