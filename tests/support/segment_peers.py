"""Programs on a segment that make sockets do what a test tells them (`segment_peer.py`)."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.places import Place

_PROGRAM = Path(__file__).with_name("segment_peer.py")


class Peer:
    """A program in a namespace that makes sockets do what it is told."""

    def __init__(self, where: Place) -> None:
        command = ("ip", "netns", "exec", where.name, sys.executable, str(_PROGRAM))
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def do(self, *words: object) -> str:
        """What it says to that."""
        self.tell(*words)
        return self.answer()

    def tell(self, *words: object) -> None:
        """Without waiting for what it says."""
        assert self._process.stdin is not None
        self._process.stdin.write(" ".join(map(str, words)) + "\n")
        self._process.stdin.flush()

    def answer(self) -> str:
        """What it says."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def end(self) -> None:
        with self._process:
            self._process.kill()


@contextmanager
def peers(*where: Place) -> Iterator[tuple[Peer, ...]]:
    made = tuple(map(Peer, where))
    try:
        yield made
    finally:
        for one in made:
            one.end()
