"""Replicas that can be killed and started again at the same address."""

import socket
import subprocess
import sys
from pathlib import Path

from lbmesh.model.address import Address
from tests.support.wait import wait_for


class ReplicaProcess:
    """Its port is held, without listening, as long as this object lives: while it is dead, connecting is refused."""

    def __init__(self) -> None:
        self._holder = socket.socket()
        self._holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self._holder.bind(("127.0.0.1", 0))
        self.address = Address("127.0.0.1", self._holder.getsockname()[1])
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def runs(self) -> bool:
        """Whether it serves."""
        return self._process is not None

    def start(self) -> None:
        """Start it and wait until it accepts."""
        script = Path(__file__).with_name("replica.py")
        self._process = subprocess.Popen([sys.executable, str(script), str(self.address.port)])
        wait_for(self._accepts, f"replica {self.address}")

    def _accepts(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex((self.address.host, self.address.port)) == 0

    def kill(self) -> None:
        """SIGKILL, in the midst of whatever it does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(30)
            self._process = None

    def close(self) -> None:
        """Kill it and let go of the port."""
        self.kill()
        self._holder.close()
