"""Puts together what clients and replicas wrote down: lost, unknown, duplicated, mixed up. Pure."""

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import nan

from lbmesh_chaos.load.logs import ClientRow, ExecutedRow, StarvedRow
from lbmesh_chaos.load.order import Order, identity_of
from lbmesh_chaos.model.flow import Flow, Method
from lbmesh_chaos.model.tally import (
    CLIENT_DIED,
    CLOSED,
    DAMAGED_BODY,
    FOREIGN_ANSWER,
    FOREIGN_BODY,
    MALFORMED,
    NOTHING_SENT,
    OK,
    RESET,
    SILENT,
    Executions,
    Finding,
    Findings,
    FlowFates,
    Starved,
    Tally,
    Verdict,
)

FINDINGS_SHOWN = 20
"""Of each sort, by name; all are counted."""
_COUNT_MAX = 255
_NOBODY = 255
"""Which replica carried a request out first: none."""
_REPLICAS_MAX = 254

_TELLS_NOTHING = frozenset({RESET, CLOSED, SILENT, MALFORMED, FOREIGN_ANSWER, "502", "504"})
"""After these, what was sent may have been carried out. 502 and 504 come from somebody on the way, who does not know
either (RFC 9110 §15.6.3, §15.6.5)."""
_FOUND_WRONG = (FOREIGN_ANSWER, FOREIGN_BODY, DAMAGED_BODY)
"""Facts, however starved the client was that found them."""


@dataclass(frozen=True, slots=True)
class ClientLog:
    """One client's order and its rows."""

    order: Order
    rows: Iterable[ClientRow | StarvedRow]


@dataclass(frozen=True, slots=True)
class ReplicaLog:
    """One replica's executions."""

    replica: str
    zone: str
    rows: Iterable[ExecutedRow]


def verdict_of(word: str, method: Method, sent_s: float | None) -> Verdict:
    """What a request counts as whose client was awake. `word`: as logged."""
    reason = reason_of(word)
    if reason == OK:
        return Verdict.OK
    if reason == CLIENT_DIED:
        return Verdict.VOID
    if method.is_idempotent or sent_s is None or reason in NOTHING_SENT:
        return Verdict.LOST
    status = reason.partition(" ")[0]
    return Verdict.UNKNOWN if reason in _TELLS_NOTHING or status in _TELLS_NOTHING else Verdict.LOST


def reason_of(word: str) -> str:
    """A logged word without what it says of this request alone ("foreign body: whose")."""
    return word.partition(": ")[0]


class _Found:
    """Counts findings of one sort, and keeps the first."""

    def __init__(self) -> None:
        self._count = 0
        self._first: list[Finding] = []

    def add(self, request: str, what: str) -> None:
        self._count += 1
        if len(self._first) < FINDINGS_SHOWN:
            self._first.append(Finding(request, what))

    def findings(self) -> Findings:
        return Findings(self._count, tuple(self._first))


class _Columns:
    """One flow while its logs are read."""

    def __init__(self, order: Order, index: int) -> None:
        self.flow: Flow = order.flows[index]
        self.start_s = order.start_s
        self.has_origin_logs = order.template is None
        self.due_s = order.due_s(index)
        size = len(self.due_s)
        self.sent_s = array("d", [nan]) * size
        self.ended_s = array("d", [nan]) * size
        self.words: dict[int, str] = {}
        """Of all that are not OK."""
        self.executions = bytearray(size)
        self.attempts = bytearray(size)
        self.first_replica = bytearray([_NOBODY]) * size

    def row(self, row: ClientRow) -> None:
        number = row.number
        if number >= len(self.due_s):
            return  # due after the end of what is counted
        self.ended_s[number] = row.ended_s
        if row.told:
            self.executions[number] = min(row.told, _COUNT_MAX)
        self.attempts[number] = min(row.attempts, _COUNT_MAX)
        if row.sent_s is not None:
            self.sent_s[number] = row.sent_s
        if row.word != OK:
            self.words[number] = row.word

    def fates(self, starved: "_Stretches") -> FlowFates:
        """With what the client could not see put apart."""
        size = len(self.due_s)
        verdicts, latencies = bytearray(size), array("d", [nan]) * size
        reasons: dict[int, str] = {}
        for number in range(size):
            due_s, ended_s = self.due_s[number], self.ended_s[number]
            if ended_s != ended_s:
                verdicts[number], reasons[number] = Verdict.VOID, CLIENT_DIED
                continue
            slept = starved.overlap(due_s, ended_s)
            word = self.words.get(number)
            if not slept:
                latencies[number] = ended_s - due_s
            if word is None:
                continue
            sent_s = self.sent_s[number]
            reason = reasons[number] = reason_of(word)
            if slept and reason not in _FOUND_WRONG:
                verdicts[number] = Verdict.VOID
            else:
                verdicts[number] = verdict_of(word, self.flow.method, sent_s if sent_s == sent_s else None)
        return FlowFates(self.flow, self.due_s, latencies, verdicts, self.executions, self.attempts, reasons)


class _Stretches:
    """When one client did not run: merged, in order."""

    def __init__(self, stretches: Iterable[tuple[float, float]]) -> None:
        self.merged: list[tuple[float, float]] = []
        for from_s, until_s in sorted(stretches):
            if self.merged and from_s <= self.merged[-1][1]:
                self.merged[-1] = (self.merged[-1][0], max(until_s, self.merged[-1][1]))
            else:
                self.merged.append((from_s, until_s))
        self._starts = [from_s for from_s, _ in self.merged]

    def overlap(self, from_s: float, until_s: float) -> bool:
        """Whether it slept at any time between the two."""
        if not self.merged:
            return False
        at = bisect_right(self._starts, until_s) - 1
        return at >= 0 and self.merged[at][1] >= from_s


class _Tallying:
    def __init__(self) -> None:
        self.columns: dict[str, _Columns] = {}
        """By what the ids begin with."""
        self.names: set[str] = set()
        """Of flows that may have run before."""
        self.replicas: list[str] = []
        self.twice: dict[str, list[str]] = {}
        """Ids carried out more than once, with the replicas of the second time and later; the first of them only."""
        self.mixed_up, self.damaged, self.strays, self.unexecuted = _Found(), _Found(), _Found(), _Found()
        self.duplicated, self.replayed, self.mesh_lost = _Found(), _Found(), _Found()

    def client(self, log: ClientLog) -> tuple[list[_Columns], _Stretches]:
        mine = [_Columns(log.order, index) for index in range(len(log.order.flows))]
        for columns in mine:
            if columns.flow.stem in self.columns:
                raise ValueError(f'two flows are called "{columns.flow.stem}"; their ids cannot be told apart')
            self.columns[columns.flow.stem] = columns
            if columns.flow.run:
                self.names.add(columns.flow.name)
        stretches = []
        for row in log.rows:
            match row:
                case ClientRow(flow, number):
                    mine[flow].row(row)
                    if row.word.startswith(_FOUND_WRONG):
                        self._note(identity_of(mine[flow].flow, number), row.word, "the answer")
                case StarvedRow(from_s, until_s):
                    stretches.append((from_s, until_s))
        return mine, _Stretches(stretches)

    def replica(self, log: ReplicaLog) -> Iterator[Executions]:
        if len(self.replicas) >= _REPLICAS_MAX:
            raise ValueError(f"more than {_REPLICAS_MAX} replicas")
        index = len(self.replicas)
        self.replicas.append(log.replica)
        by_peer: dict[str, array[float]] = {}
        for row in log.rows:
            times = by_peer.get(row.peer)
            if times is None:
                times = by_peer[row.peer] = array("d")
            times.append(row.at_s)
            self._executed(row, index)
        for peer, times in by_peer.items():
            yield Executions(log.replica, log.zone, peer, array("d", sorted(times)))

    def _executed(self, row: ExecutedRow, replica: int) -> None:
        stem, _, digits = row.identity.rpartition("-")
        columns = self.columns.get(stem)
        if columns is None and stem.rpartition("-")[0] in self.names:
            return  # of an earlier drill: its client had given it up, and it was still on its way
        number = int(digits) if digits.isdecimal() else -1
        if columns is None or not 0 <= number < len(columns.due_s):
            self.strays.add(row.identity, f"carried out by {self.replicas[replica]}, and no client has such a request")
            return
        if row.note:
            self._note(row.identity, row.note, f"the request at {self.replicas[replica]}")
        if columns.executions[number] == 0:
            columns.first_replica[number] = replica
        elif len(self.twice) < FINDINGS_SHOWN * 4 or row.identity in self.twice:
            self.twice.setdefault(row.identity, []).append(self.replicas[replica])
        columns.executions[number] = min(columns.executions[number] + 1, _COUNT_MAX)
        if columns.sent_s[number] != columns.sent_s[number] and columns.ended_s[number] == columns.ended_s[number]:
            self.strays.add(row.identity, f"carried out by {self.replicas[replica]}, and its client sent nothing")

    def _note(self, identity: str, word: str, where: str) -> None:
        reason, _, detail = word.partition(": ")
        if reason == DAMAGED_BODY:
            self.damaged.add(identity, f"{where}: {detail}")
        else:
            self.mixed_up.add(identity, f"{where} has what belongs to {detail}")

    def name_lost(self, columns: _Columns, fates: FlowFates) -> None:
        """Those that should not be, one by one."""
        if fates.flow.kind.is_plain or not fates.flow.method.is_idempotent:
            return
        for number in sorted(fates.reasons):
            if fates.verdicts[number] == Verdict.LOST:
                at_s = fates.due_s[number] - columns.start_s
                self.mesh_lost.add(identity_of(fates.flow, number), f"due at {at_s:.3f} s, {columns.words[number]}")

    def judge(self, columns: _Columns, fates: FlowFates) -> None:
        """What only both logs together tell."""
        for number, count in enumerate(fates.executions):
            if count == 1:
                continue
            if count == 0:
                if fates.verdicts[number] == Verdict.OK and columns.has_origin_logs:
                    self.unexecuted.add(identity_of(fates.flow, number), "answered, and no replica carried it out")
                continue
            identity = identity_of(fates.flow, number)
            found = self.replayed if fates.flow.method.may_be_replayed else self.duplicated
            if not columns.has_origin_logs:
                found.add(identity, f"carried out {count} times, by its answer")
                continue
            by = [self.replicas[columns.first_replica[number]], *self.twice.get(identity, ())]
            found.add(identity, f"carried out {count} times: {', '.join(by)}")


def tally(clients: Sequence[ClientLog], replicas: Sequence[ReplicaLog]) -> Tally:
    """Reads each log once. Raises ValueError when two flows have one name, and what reading the rows raises."""
    work = _Tallying()
    starved: list[Starved] = []
    read: list[tuple[_Columns, _Stretches]] = []
    for log in clients:
        mine, stretches = work.client(log)
        read += [(columns, stretches) for columns in mine]
        starved += [Starved(log.order.client, *stretch) for stretch in stretches.merged]
    executions = [one for log in replicas for one in work.replica(log)]
    fates = []
    for columns, stretches in read:
        one = columns.fates(stretches)
        work.judge(columns, one)
        work.name_lost(columns, one)
        fates.append(one)
    return Tally(
        fates=tuple(fates),
        executions=tuple(executions),
        starved=tuple(starved),
        duplicated=work.duplicated.findings(),
        replayed=work.replayed.findings(),
        mixed_up=work.mixed_up.findings(),
        damaged=work.damaged.findings(),
        unexecuted=work.unexecuted.findings(),
        strays=work.strays.findings(),
        mesh_lost=work.mesh_lost.findings(),
    )
