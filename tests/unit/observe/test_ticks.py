"""The ticks that processes leave in shared memory."""

import subprocess
import sys

from lbmesh.observe.ticks import TickBoard

STAMPS = """
import sys
from lbmesh.observe.ticks import TickBoard
board = TickBoard(int(sys.argv[1]))
while True:
    board.stamp(1)
"""


def test_a_stamp_is_never_seen_half_written() -> None:
    board = TickBoard.create()
    descriptor = str(board.file_descriptor)
    with subprocess.Popen([sys.executable, "-c", STAMPS, descriptor], pass_fds=[board.file_descriptor]) as child:
        try:
            while board.age_s(1) is None:
                assert child.poll() is None, "the child that stamps ended"
            ages = [board.age_s(1) for _ in range(200_000)]
        finally:
            child.kill()
    assert None not in ages
    board.close()


def test_slots_are_apart_and_can_be_cleared() -> None:
    board = TickBoard.create()
    board.stamp(0)
    assert board.age_s(1) is None
    age_s = board.age_s(0)
    assert age_s is not None
    assert age_s >= 0.0
    board.clear(0)
    assert board.age_s(0) is None
    board.close()
