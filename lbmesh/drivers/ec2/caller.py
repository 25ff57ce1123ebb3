"""The agent's side of the process that calls EC2: it is started when it is first needed, and again when it has ended.

All of this blocks, and is for threads: none of them holds the interpreter while it waits.
"""

import json
import subprocess
import sys
from contextlib import suppress
from itertools import count
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Any

from lbmesh.drivers.ec2.errors import Ec2Error, Fault
from lbmesh.drivers.ec2.limits import STUCK_S

_COMMAND = (sys.executable, "-P", "-W", "ignore", "-m", "lbmesh.drivers.ec2.child")

Request = dict[str, object]
Reply = dict[str, Any]
"""As child.py has them."""


class Caller:
    """One process for all fronts of a node."""

    def __init__(self) -> None:
        self._turn = Lock()
        self._child: _Child | None = None

    def ask(self, region: str | None, endpoint: str | None, action: str, parameters: dict[str, object]) -> Any:
        """What EC2 answers. Raises Ec2Error. A process in which a call is stuck is killed: it holds a thread there, and
        one here.
        """
        child = self._running()
        request: Request = {"region": region, "endpoint": endpoint, "action": action, "parameters": parameters}
        try:
            reply = child.ask(request)
        except Empty as error:
            child.kill()
            raise Ec2Error(f"EC2 has not answered for {STUCK_S:g} s", Fault.ILL) from error
        if reply is None:
            raise Ec2Error("the process that calls EC2 has ended: it is started again", Fault.ILL)
        if "words" in reply:
            raise Ec2Error(reply["words"], Fault[reply["fault"]])
        return reply["answer"]

    def close(self) -> None:
        """End the process."""
        with self._turn:
            if self._child is not None:
                self._child.kill()
                self._child = None

    def _running(self) -> "_Child":
        with self._turn:
            if self._child is None or self._child.is_over:
                try:
                    self._child = _Child()
                except OSError as error:
                    words = f"the process that calls EC2 cannot be started: {error.strerror or error}"
                    raise Ec2Error(words) from error
            return self._child


class _Child:
    """A process and the thread that reads what it says. `is_over`: it says nothing any more. Raises OSError."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(_COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._numbers = count(1)
        self._turn = Lock()
        self._asked: dict[int, SimpleQueue[Reply | None]] = {}
        self.is_over = False
        self._listener = Thread(target=self._listen, daemon=True)
        self._listener.start()

    def ask(self, request: Request) -> Reply | None:
        """Its reply, None when it ended before. Raises queue.Empty when there is none in time."""
        answers: SimpleQueue[Reply | None] = SimpleQueue()
        with self._turn:
            if self.is_over:
                return None
            number = next(self._numbers)
            self._asked[number] = answers
            assert self._process.stdin is not None
            try:
                self._process.stdin.write(json.dumps({"id": number, **request}).encode() + b"\n")
                self._process.stdin.flush()
            except OSError:
                return None
        return answers.get(timeout=STUCK_S)

    def kill(self) -> None:
        """At once; those that wait for a reply are told."""
        self._process.kill()
        self._listener.join()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        assert self._process.stdin is not None
        for line in self._process.stdout:
            if not line.endswith(b"\n"):
                break  # It ended in the middle of a reply.
            reply = json.loads(line)
            with self._turn:
                answers = self._asked.pop(reply["id"], None)
            if answers is not None:
                answers.put(reply)
        with self._turn:
            self.is_over = True
            for answers in self._asked.values():
                answers.put(None)
        self._process.wait()
        self._process.stdout.close()
        with suppress(OSError):
            self._process.stdin.close()
