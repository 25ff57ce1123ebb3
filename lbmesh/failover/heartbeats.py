"""The heartbeat's core: datagrams and time go in, datagrams and words come out. No socket, no clock.

Every INTERVAL_S each partner is told that this node lives, how old its processes' ticks are, and whom it does not hear.
`receive` all that has arrived before `tick`, so that nothing that is here counts as missing.
"""

from collections import Counter, OrderedDict
from collections.abc import Collection, Iterable
from dataclasses import replace
from math import inf

from lbmesh.failover.datagram import (
    ASKS,
    DRAINING,
    LEAVING,
    PARTNER,
    Heartbeat,
    claimed,
    milliseconds,
    seal,
    unseal,
)
from lbmesh.failover.judgement import Weighed, confessed, decided_by_s, is_deaf, verdict, weigh
from lbmesh.failover.limits import (
    ANSWER_GAP_S,
    INTERVAL_S,
    LINGER_S,
    PARTNERS_KNOWN_MAX,
    PAUSE_S,
    PROBE_ALONE_AFTER_S,
    PROBE_REPEAT_S,
    PROBE_S,
    SESSIONS_REMEMBERED_MAX,
    SILENCE_S,
)
from lbmesh.failover.peer import Peer, PeerProbe, names_of
from lbmesh.failover.words import NO_PARTNER, Back, Gone, Output, Partner, Probe, Vitals


class Heartbeats:
    """One node's heartbeats. All times are seconds of one monotonic clock, the caller's.

    `session`: 16 random bytes of this start. `counters`: datagrams in and out, those that changed nothing as
    `rejected_<reason>`, and pauses of this process.
    """

    def __init__(self, session: bytes) -> None:
        self.counters: Counter[str] = Counter()
        self._session = session
        self._name = ""
        self._counter = 0
        self._peers: dict[bytes, Peer] = {}
        self._by_name: dict[str, Peer] = {}
        self._remembered: OrderedDict[bytes, int] = OrderedDict()
        self._asked: dict[bytes, Peer] = {}
        self._probes = 0
        self._vitals = Vitals()
        self._beat_s = inf
        self._promised_s = inf
        self._stepped_s = -inf

    # What the agent says

    def set_partners(self, now: float, name: str, table: Collection[Partner]) -> Output:
        """Take the table of an agent. It may be a new one, so who is gone is said again. `name`: this node's."""
        self._notice_pause(now)
        output = Output()
        self._name = name
        wanted = {bytes.fromhex(partner.session): partner for partner in list(table)[:PARTNERS_KNOWN_MAX]}
        successors = {partner.name for partner in wanted.values()}
        for session in sorted(self._peers.keys() - wanted.keys()):
            peer = self._peers[session]
            self._retire(now, peer, output, has_successor=peer.partner.name in successors)
        for session, partner in wanted.items():
            peer = self._peers.get(session) or Peer(partner, session, self._remembered.pop(session, 0))
            peer.take(partner)
            self._peers[session] = peer
        self._by_name = {peer.partner.name: peer for peer in self._peers.values() if peer.until_s == inf}
        for peer in self._by_name.values():
            if peer.gone is not None:
                output.words.append(replace(peer.gone, for_s=now - peer.gone_s))
        self._beat_s = now if self._peers else inf
        return output

    def _retire(self, now: float, peer: Peer, output: Output, *, has_successor: bool) -> None:
        """It is not in the table any more. A partner is told so for a while, lest it take the end for a death."""
        if peer.gone is not None:
            why = "started again" if has_successor else NO_PARTNER
            output.words.append(_back(now, peer, why))
        if has_successor or not peer.is_partner:
            self._forget(peer)
        else:
            peer.until_s = now + LINGER_S
            peer.suspected_s = None

    def _forget(self, peer: Peer) -> None:
        del self._peers[peer.session]
        self._remembered[peer.session] = peer.counter
        while len(self._remembered) > SESSIONS_REMEMBERED_MAX:
            self._remembered.popitem(last=False)

    # What partners say

    def receive(self, now: float, datagram: bytes) -> None:
        """Take one datagram. Whatever it is, this never raises; `tick` is to follow when all are taken."""
        self._notice_pause(now)
        self.counters["datagrams_in"] += 1
        if rejected := self._take(now, datagram):
            self.counters[f"rejected_{rejected}"] += 1

    def _take(self, now: float, datagram: bytes) -> str | None:
        claim = claimed(datagram)
        if isinstance(claim, str):
            return claim
        session, key_id = claim
        peer = self._peers.get(session)
        if peer is None:
            return "unknown_session"
        key = peer.openers.get(key_id)
        if key is None:
            return "unknown_key"
        heartbeat = unseal(datagram, key)
        if heartbeat is None:
            return "forged"
        if heartbeat.counter <= peer.counter:
            return "replayed"
        peer.hear(now, heartbeat)
        if heartbeat.flags & ASKS:
            self._asked[peer.session] = peer
        return None

    # What time brings

    def tick(self, now: float, vitals: Vitals, *, drained: bool = True) -> Output:
        """Do what is due. `drained`: all that has arrived is taken; without that nobody is judged."""
        self._notice_pause(now)
        self._vitals = vitals
        output = Output()
        for peer in [peer for peer in self._peers.values() if now >= peer.until_s]:
            self._forget(peer)
        weighed = self._weigh_suspects(now, output) if drained else {}
        if now >= self._beat_s:
            self._beat_s = next_s if (next_s := self._beat_s + INTERVAL_S) > now else now + INTERVAL_S
            doubtful = {peer.session for one in weighed.values() for peer in one.doubtful}
            told = [peer for peer in self._peers.values() if peer.partner.watched or peer.session in doubtful]
            self._send(output, told, asked=doubtful)
        answers = [peer for peer in self._asked.values() if now >= peer.answered_s + ANSWER_GAP_S]
        for peer in answers:
            peer.answered_s = now
        self._asked.clear()
        self._send(output, answers)
        if drained:
            self._judge(now, weighed, output)
        return output

    def probe_ended(self, number: int, *, alive: bool, detail: str) -> None:
        """How a probe ended. `detail`: such as "refuses connections". `tick` is to follow."""
        for peer in self._peers.values():
            if peer.probe is not None and peer.probe.number == number:
                peer.probe.alive, peer.probe.detail = alive, detail

    def is_attentive(self, now: float) -> bool:
        """Is each datagram to be taken when it comes, rather than at the next deadline?"""
        return any(peer.is_overdue(now) for peer in self._peers.values())

    def next_deadline(self) -> float:
        """When to call `tick` at the latest. Ask before each sleep: a step that comes much later than the last answer
        shows that this process stood still.
        """
        self._promised_s = min((self._beat_s, *(self._due_s(peer) for peer in self._peers.values())))
        return self._promised_s

    def _due_s(self, peer: Peer) -> float:
        """When a look at this peer can bring news that no beat brings in time."""
        if not peer.is_partner:
            return peer.until_s
        if peer.gone is not None or not peer.is_expected:
            return inf
        if peer.suspected_s is None:
            due_s = peer.heard_s + PROBE_ALONE_AFTER_S
            if self._is_sole_judge(peer) and due_s > self._stepped_s:
                return due_s
            return peer.heard_s + SILENCE_S
        return due_s if (due_s := decided_by_s(peer)) > self._stepped_s else inf

    def _notice_pause(self, now: float) -> None:
        """After a pause nobody is silent for as long as it seems: what was sent meanwhile may be lost."""
        self._stepped_s = now
        if now - self._promised_s <= PAUSE_S:
            return
        self.counters["pauses"] += 1
        self._promised_s = inf
        for peer in self._peers.values():
            peer.forgive(now)

    # Judging

    def _weigh_suspects(self, now: float, output: Output) -> dict[bytes, Weighed]:
        """Find who is silent, and what the other backups make of those that this node judges."""
        fresh = [peer for peer in self._peers.values() if peer.suspected_s is None and peer.is_silent(now)]
        for peer in fresh:
            peer.suspected_s = now
            self.counters["suspicions"] += 1
        weighed = {
            peer.session: weigh(peer, self._name, self._by_name, now)
            for peer in self._peers.values()
            if peer.suspected_s is not None and peer.gone is None and peer.partner.judges
        }
        judges = {name for peer in fresh for name in peer.partner.judges if name != self._name}
        told = [self._by_name[name] for name in sorted(judges) if name in self._by_name]
        self._send(output, told, asked={peer.session for one in weighed.values() for peer in one.doubtful})
        return weighed

    def _judge(self, now: float, weighed: dict[bytes, Weighed], output: Output) -> None:
        is_cut_off = is_deaf(self._peers.values(), now)
        for peer in self._peers.values():
            if not peer.is_partner or not peer.partner.judges:
                continue
            found = confessed(peer, self._session, self._name, self._by_name, now)
            if peer.gone is not None:
                if peer.is_fresh(now) and found is None:
                    output.words.append(_back(now, peer, "heard again"))
                    peer.gone = None
            elif found is not None:
                self._find_gone(now, peer, found, output)
            elif not is_cut_off:
                self._judge_silence(now, peer, weighed.get(peer.session), output)

    def _judge_silence(self, now: float, peer: Peer, weighed: Weighed | None, output: Output) -> None:
        if weighed is None:
            if self._is_sole_judge(peer) and peer.is_expected and now >= peer.heard_s + PROBE_ALONE_AFTER_S:
                self._probe(now, peer, peer.heard_s + SILENCE_S + PROBE_S - now, output)
        elif found := verdict(peer, weighed):
            self._find_gone(now, peer, found, output)
        elif weighed.may_need_probe:
            self._probe(now, peer, PROBE_S, output)

    def _probe(self, now: float, peer: Peer, timeout_s: float, output: Output) -> None:
        """Ask one of its fronts, unless that was asked just now."""
        known = peer.probe
        if peer.partner.front is None or (known and (known.alive is None or now < known.since_s + PROBE_REPEAT_S)):
            return
        self._probes += 1
        peer.probe = PeerProbe(self._probes, now)
        output.probes.append(Probe(self._probes, peer.partner.front, timeout_s))

    def _find_gone(self, now: float, peer: Peer, found: Gone, output: Output) -> None:
        peer.gone, peer.gone_s = found, now
        output.words.append(found)

    def _is_sole_judge(self, peer: Peer) -> bool:
        return peer.partner.judges == (self._name,)

    # Sending

    def _send(self, output: Output, peers: Iterable[Peer], asked: Collection[bytes] = ()) -> None:
        """One heartbeat to each; those whose session is in `asked` are to answer at once."""
        vitals = self._vitals
        state = LEAVING * vitals.leaving | DRAINING * vitals.draining
        silent = names_of(peer for peer in self._peers.values() if peer.suspected_s is not None)
        for peer in peers:
            self._counter += 1
            heartbeat = Heartbeat(
                key_id=peer.seal_id,
                session=self._session,
                counter=self._counter,
                flags=state | PARTNER * peer.is_partner | ASKS * (peer.session in asked),
                agent_age_ms=milliseconds(vitals.agent_age_s),
                forwarder_age_ms=milliseconds(vitals.forwarder_age_s),
                forwarders=vitals.forwarders,
                hung=vitals.hung,
                silent=silent,
            )
            output.datagrams.append((peer.partner.address, seal(heartbeat, peer.seal_key)))
            self.counters["datagrams_out"] += 1


def _back(now: float, peer: Peer, reason: str) -> Back:
    return Back(peer.partner.name, reason, now - peer.gone_s)
