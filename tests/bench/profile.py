"""Where each microsecond of a forwarder goes: py-spy's samples, by the source line that ran, over the CPU time of a
request.

A sample lands on the line of Python that runs, so a call counts for the line that makes it, with all that the
kernel does in it (a send delivers to the other socket). Lines where a thread waits are left out: they use no
processor. py-spy runs on the forwarder's own core and seldom: so it looks while the forwarder stands still, at
moments that have nothing to do with the load. From the generator's core it would look when the generator rests
(measured: 2 % of the time in receive calls, of which perf, which knows no lines of Python, finds 5 % in the kernel).
"""

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.bench.load import WORKLOADS, Workload, run_window
from tests.bench.marks import table
from tests.bench.report import machine
from tests.bench.running import Running, running_all
from tests.bench.section import SUBJECT, Report, Setting, paragraphs
from tests.support import proc

ROOT = Path(__file__).parents[2]
SAMPLES_PER_S = 200
SECONDS, QUICK_SECONDS = 15, 3
START_S = 1
"""py-spy is given this long to attach before the end of the load could cut it off."""

DEAREST_LINES = 12
WAITING = ""
OTHER = "timers, trio's loop"


@dataclass(frozen=True, slots=True)
class Rule:
    """What a line of a file counts for. `file` is the end of its path; `line` an expression for what stands on it."""

    label: str
    file: str
    line: str = ""
    function: str = ""

    def fits(self, frame: "Frame", source: str) -> bool:
        """Whether it is about this frame, whose line reads so."""
        return (
            frame.file.endswith(self.file)
            and (not self.function or self.function in frame.function)
            and (not self.line or re.search(self.line, source) is not None)
        )


RULES = (
    Rule(WAITING, "trio/_core/_io_epoll.py", function="get_events"),
    Rule(WAITING, "trio/_core/_thread_cache.py", function="_work"),
    Rule("socket: receive from the client", "forwarder/client.py", r"self\._recv\("),
    Rule("socket: send to the replica", "forwarder/upstream.py", r"self\._send\("),
    Rule("socket: receive from the replica", "forwarder/upstream.py", r"self\._recv\("),
    Rule("socket: send to the client", "forwarder/client.py", r"self\._send\("),
    Rule("socket: epoll", "forwarder/reactor.py", r"\bpoll\("),
    Rule("request head: the expression", "http1/fast_lane.py", r"_REQUEST\.(match|sub)\("),
    Rule("request head: what it says", "http1/fast_lane.py", function="parse_request"),
    Rule("response head", "http1/fast_lane.py", function="parse_response"),
    Rule("response head", "forwarder/upstream.py", r"_remembered"),
    Rule("rewriting: fields, request id", "forwarder/client.py", r"peer\.forwarded"),
    Rule("rewriting: fields, request id", "forwarder/exchange.py", r"X-Request-Id"),
    Rule("rewriting: fields, request id", "forwarder/engine.py", function="new_request_id"),
    Rule("route", "routing/table.py"),
    Rule("route", "routing/path.py"),
    Rule("balancer and latency average", "routing/balancer.py"),
    Rule("balancer and latency average", "routing/warming.py"),
    Rule("balancer and latency average", "forwarder/replica_state.py"),
    Rule("histogram", "forwarder/durations.py"),
    Rule("histogram", "observe/histogram.py"),
    Rule("access log: the line", "forwarder/record.py"),
    Rule("access log: writing it", "observe/access_log.py"),
    Rule("telemetry", "forwarder/telemetry.py"),
    Rule("telemetry", "forwarder/agent_link.py"),
    Rule("client connection's state", "forwarder/client.py"),
    Rule("exchange's state", "forwarder/exchange.py"),
    Rule("upstream connection's state", "forwarder/upstream.py"),
    Rule("reactor", "forwarder/reactor.py"),
    Rule(OTHER, ""),
)


@dataclass(frozen=True, slots=True)
class Frame:
    """One line of Python that ran."""

    function: str
    file: str
    number: int


@dataclass(frozen=True, slots=True)
class Profile:
    """One workload: microseconds of the forwarder's CPU a request, in all, in the kernel, by label, and of the dearest
    lines that do not call the kernel (what stands there, its label).
    """

    workload: str
    cpu_us: float
    kernel_us: float
    parts_us: Mapping[str, float]
    samples: int
    lines_us: tuple[tuple[str, str, float], ...] = ()


def missing() -> str | None:
    """What to install before anything can be profiled."""
    return None if _program() else "py-spy is missing: pip install py-spy"


def run(setting: Setting, workloads: Sequence[Workload] = WORKLOADS) -> Report:
    """lbmesh alone, all workloads."""
    if (why := missing()) is not None:
        raise RuntimeError(why)
    seconds = QUICK_SECONDS if setting.quick else SECONDS
    with running_all(setting.variants((SUBJECT,)), setting.directory, setting.cores) as (_, (proxy,)):
        profiles = [_profile(proxy, workload, seconds, setting) for workload in workloads]
    return Report(report(profiles, seconds), valid=True)


def _profile(proxy: Running, workload: Workload, seconds: int, setting: Setting) -> Profile:
    """Raises RuntimeError when py-spy cannot look into the forwarder."""
    setting.say(f"  {workload.title}")
    output = setting.directory / f"{workload.name}.stacks"
    sampler = subprocess.Popen(
        [
            *(str(_program()), "record", "--pid", str(proxy.serving_pid()), "--format", "raw", "--output", str(output)),
            *("--rate", str(SAMPLES_PER_S), "--duration", str(seconds), "--nonblocking"),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {setting.cores.proxy}),
    )
    before, ticks_before = proxy.cpu().serving_s, _ticks(proxy.serving_pid())
    window = run_window(workload, "127.0.0.1", proxy.port, seconds=seconds + START_S, cpu=setting.cores.others)
    cpu_us = (proxy.cpu().serving_s - before) / max(window.requests, 1) * 1e6
    user, kernel = (after - earlier for after, earlier in zip(_ticks(proxy.serving_pid()), ticks_before, strict=True))
    _, said = sampler.communicate(timeout=60)
    if sampler.returncode or not output.exists():
        raise RuntimeError(f"py-spy failed: {said[-500:]}")
    frames = tuple(stacks(output.read_text().splitlines()))
    counts = by_label(frames)
    total = sum(counts.values())
    if not total:
        raise RuntimeError("py-spy saw nothing run")
    parts = {label: cpu_us * count / total for label, count in counts.items()}
    lines = tuple((where, label, cpu_us * count / total) for where, label, count in dearest_lines(frames))
    return Profile(workload.name, cpu_us, cpu_us * kernel / max(user + kernel, 1), parts, total, lines)


def _ticks(pid: int) -> tuple[int, int]:
    """User and system time so far, in clock ticks (proc(5))."""
    found = proc.stat(pid)
    return found.user, found.system


def stacks(lines: Iterable[str]) -> Iterator[tuple[Frame, int]]:
    """The innermost frame of each of py-spy's collapsed stacks, and how often it was seen."""
    for line in lines:
        stack, _, count = line.rpartition(" ")
        found = re.fullmatch(r"(.+) \((.+):(\d+)\)", stack.rpartition(";")[2])
        if found:
            yield Frame(found[1], found[2], int(found[3])), int(count)


def by_label(frames: Iterable[tuple[Frame, int]]) -> dict[str, int]:
    """How many samples each label has, without those that waited."""
    counts = dict.fromkeys((rule.label for rule in RULES if rule.label != WAITING), 0)
    for frame, count in frames:
        label = label_of(frame, _source_line(frame))
        if label != WAITING:
            counts[label] += count
    return counts


def dearest_lines(frames: Iterable[tuple[Frame, int]]) -> list[tuple[str, str, int]]:
    """The lines with most samples: file, number and text of each, its label, and how many."""
    counts: Counter[Frame] = Counter()
    for frame, count in frames:
        counts[frame] += count
    found = []
    for frame, count in counts.most_common():
        source = _source_line(frame)
        label = label_of(frame, source)
        if source and label != WAITING and not label.startswith("socket"):
            text = source.strip().replace("|", "\\|")
            found.append((f"{frame.file.rpartition('/')[2]}:{frame.number} `{text}`", label, count))
    return found[:DEAREST_LINES]


def label_of(frame: Frame, source: str) -> str:
    """The label of the first rule that fits: the last fits everything."""
    return next(rule.label for rule in RULES if rule.fits(frame, source))


def _source_line(frame: Frame) -> str:
    lines = _source(frame.file)
    return lines[frame.number - 1] if frame.number <= len(lines) else ""


@cache
def _source(file: str) -> tuple[str, ...]:
    path = ROOT / file
    return tuple(path.read_text().splitlines()) if file.startswith("lbmesh/") and path.exists() else ()


def _program() -> str | None:
    beside = Path(sys.executable).with_name("py-spy")
    return str(beside) if beside.exists() else shutil.which("py-spy")


def report(profiles: Sequence[Profile], seconds: int) -> str:
    """One table, a column for each workload."""
    labels = tuple(profiles[0].parts_us)
    rows = [(label, *(f"{profile.parts_us[label]:.2f}" for profile in profiles)) for label in labels]
    rows.append(("**all**", *(f"**{profile.cpu_us:.2f}**" for profile in profiles)))
    rows.append(("of that in the kernel, by its own account", *(f"{profile.kernel_us:.2f}" for profile in profiles)))
    how = (
        f"Microseconds of the forwarder's CPU a request, by `python -m tests.bench profile`: {SAMPLES_PER_S} samples a "
        f"second for {seconds} s by py-spy ({', '.join(f'{profile.samples:,}' for profile in profiles)} that ran), by "
        f"the line of Python that ran; lines that wait are left out. On {machine()}."
    )
    dearest = profiles[-1]
    line_rows = [(where, label, f"{part_us:.2f}") for where, label, part_us in dearest.lines_us]
    return paragraphs(
        (
            how,
            table(("µs a request", *(profile.workload for profile in profiles)), rows),
            f"The dearest lines of {dearest.workload}, socket calls left out:",
            table(("line", "part", "µs a request"), line_rows),
        )
    )
