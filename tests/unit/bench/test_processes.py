import os
import sys
import time
from pathlib import Path

from tests.bench.processes import cpu_time_s, free_ports, process_tree, reset_memory_peak, started
from tests.support import proc

_PARENT = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import signal; signal.pause()'])"


def test_a_process_is_measured_with_its_children_and_nothing_of_it_is_left(tmp_path: Path) -> None:
    cpu = min(os.sched_getaffinity(0))
    with started([sys.executable, "-c", _PARENT], cpu=cpu, output=tmp_path / "output") as process:
        deadline = time.monotonic() + 10
        while len(tree := process_tree(process.pid)) < 2:
            assert time.monotonic() < deadline, "the child was not started"
            time.sleep(0.01)
        assert tree[0] == process.pid
        assert os.sched_getaffinity(tree[1]) == {cpu}
        assert all(proc.memory_kib(pid, "VmHWM") >= proc.memory_kib(pid, "VmRSS") // 2 > 0 for pid in tree)
        assert cpu_time_s(process.pid) > 0
    assert not any(process_tree(pid) for pid in tree)


def test_cpu_time_of_this_process_is_what_its_own_clock_says() -> None:
    before = time.process_time()
    measured = cpu_time_s(os.getpid())
    assert before <= measured <= time.process_time()


def test_free_ports_are_distinct() -> None:
    assert len(set(free_ports(8))) == 8


def test_a_peak_of_memory_is_seen_after_it_is_gone() -> None:
    reset_memory_peak(os.getpid())
    rest_kib = proc.memory_kib(os.getpid(), "VmRSS")
    assert len(b"x" * (32 << 20)) == 32 << 20
    assert proc.memory_kib(os.getpid(), "VmRSS") - rest_kib < 8 << 10
    assert proc.memory_kib(os.getpid(), "VmHWM") - rest_kib > 24 << 10
