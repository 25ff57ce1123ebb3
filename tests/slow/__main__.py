"""`make slow`: slowhttptest (Debian has it) in all its modes against a forwarder, while honest clients come and go."""

import argparse
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from lbmesh.model.limits import ForwarderLimits
from lbmesh.model.traffic import Timeouts
from tests.support.forwarders import ForwarderProcess, a_view, running_forwarder
from tests.support.origins import OriginConnection, running_origin
from tests.support.raw_client import RawClient
from tests.support.wait import wait_for

MODES = {
    "slow heads": "-H -i 1 -x 24",
    "slow bodies": "-B -i 1 -s 100000 -x 2",
    "slow reading": "-X -w 10 -y 20 -n 1 -z 5 -k 3",
    "ranges": "-R -a 5 -b 2000",
}
LIMITS = ForwarderLimits(head_timeout_s=5.0, keepalive_timeout_s=5.0)
TIMEOUTS = Timeouts(idle_s=5.0)
BODY = bytes(2 * 1024 * 1024)


def serve(connection: OriginConnection) -> None:
    """Answers a GET at once, with much if asked for /large; waits for what a POST sends."""
    while head := connection.read_head():
        if head.startswith(b"POST"):
            connection.read_to_end()
        else:
            connection.answer(BODY if b" /large" in head else b"ok")


class Honest(threading.Thread):
    """Clients one after the other, each on a connection of its own. `failures`: what went wrong."""

    def __init__(self, forwarder: ForwarderProcess) -> None:
        super().__init__()
        self.served = 0
        self.longest_s = 0.0
        self.failures: list[str] = []
        self.done = threading.Event()
        self._forwarder = forwarder

    def run(self) -> None:
        """Until `done`."""
        while not self.done.wait(0.01):
            began_s = time.monotonic()
            try:
                with self._forwarder.connect() as connection:
                    answer = RawClient(connection).exchange(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                    assert (answer.status, answer.body) == (200, b"ok"), answer
            except (OSError, AssertionError) as error:
                self.failures.append(repr(error))
            self.served += 1
            self.longest_s = max(self.longest_s, time.monotonic() - began_s)


def main() -> int:
    """Returns the exit status: 1 when an honest client was not served or the forwarder did not come to rest."""
    parser = argparse.ArgumentParser(prog="tests.slow", description=__doc__)
    parser.add_argument("--connections", type=int, default=1000)
    parser.add_argument("--seconds", type=int, default=20, help="for each mode")
    options = parser.parse_args()
    tool = shutil.which("slowhttptest")
    if tool is None:
        print("slowhttptest is missing: apt-get install slowhttptest")
        return 1
    failed = False
    with tempfile.TemporaryDirectory() as directory, running_origin(serve) as origin:
        view = a_view([origin.address], limits=LIMITS, timeouts=TIMEOUTS)
        with running_forwarder(Path(directory), view) as forwarder:
            for mode, flags in MODES.items():
                honest = Honest(forwarder)
                honest.start()
                url = f"http://{forwarder.address}/{'large' if mode == 'slow reading' else ''}"
                command = [tool, *flags.split(), "-c", str(options.connections), "-r", "500", "-u", url]
                subprocess.run(
                    [*command, "-l", str(options.seconds), "-v", "0"], check=False, stdout=subprocess.DEVNULL
                )
                honest.done.set()
                honest.join()
                wait_for(lambda: forwarder.latest_telemetry().connections == 0, f"rest after {mode}")
                print(
                    f"{mode}: {honest.served} honest clients, {len(honest.failures)} not served,"
                    f" the slowest took {honest.longest_s * 1000:.0f} ms",
                    *honest.failures[:3],
                    flush=True,
                )
                failed = failed or bool(honest.failures) or not honest.served
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
