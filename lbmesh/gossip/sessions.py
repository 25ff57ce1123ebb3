"""The sessions others speak in: which of their datagrams were seen, and which sessions are known to live.

A window lives no longer than this process, so to a node that restarted, a recording looks like any new session.
What tells them apart is a nonce given back: nobody recorded it before it was made.
"""

from collections import OrderedDict
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from lbmesh.gossip.limits import REPLAY_WINDOW, SESSIONS_MAX, SESSIONS_UNPROVEN_MAX, GossipTiming

_WINDOW_MASK = (1 << REPLAY_WINDOW) - 1


@dataclass(slots=True)
class ReplayWindow:
    """Which of the last 1024 counters were seen; anything older counts as seen (RFC 4303, 3.4.3)."""

    highest: int = 0
    bits: int = 0

    def seen(self, counter: int) -> bool:
        """True when the counter must not be accepted again."""
        offset = self.highest - counter
        return counter == 0 or offset >= REPLAY_WINDOW or (offset >= 0 and bool(self.bits >> offset & 1))

    def mark(self, counter: int) -> None:
        """Remember an unseen counter."""
        if counter > self.highest:
            self.bits = ((self.bits << min(counter - self.highest, REPLAY_WINDOW)) | 1) & _WINDOW_MASK
            self.highest = counter
        else:
            self.bits |= 1 << (self.highest - counter)

    def close(self) -> None:
        """Count everything up to the highest counter as seen."""
        self.bits = _WINDOW_MASK


@dataclass(slots=True, eq=False)
class Session:
    """One start of one sender, as (name, session) of its datagrams. `proven_s`: when it proved to live, None
    before; `nonce`: what it was asked to give back.
    """

    key: tuple[bytes, bytes]
    ciphers: dict[bytes, AESGCM] = field(default_factory=dict)
    window: ReplayWindow = field(default_factory=ReplayWindow)
    proven_s: float | None = None
    nonce: int | None = None
    nonce_made_s: float = float("-inf")
    asked_s: float = float("-inf")

    def ask(self, now: float, nonce: int, timing: GossipTiming) -> int | None:
        """The nonce to ask back now: `nonce`, or the last one while an answer to it may be on its way. None when
        it was asked a moment ago.
        """
        if now - self.asked_s < timing.proof_interval_s:
            return None
        self.asked_s = now
        if self.nonce is None or now - self.nonce_made_s > timing.late_pong_s:
            self.nonce, self.nonce_made_s = nonce, now
        return self.nonce

    def gave_back(self, now: float, nonce: int, timing: GossipTiming) -> bool:
        """Is this what it was asked for, and in time?"""
        return nonce == self.nonce and now - self.nonce_made_s <= 2 * timing.late_pong_s


class Sessions:
    """All sessions, within bounds. The unproven have a table of their own, so that recordings of many old
    sessions push none out that lives.
    """

    def __init__(self) -> None:
        self._proven: OrderedDict[tuple[bytes, bytes], Session] = OrderedDict()
        self._unproven: OrderedDict[tuple[bytes, bytes], Session] = OrderedDict()

    def find(self, key: tuple[bytes, bytes]) -> Session | None:
        """The session, when it is remembered."""
        return self._proven.get(key) or self._unproven.get(key)

    def remember(self, session: Session) -> None:
        """An authentic datagram came in this session: it is the last to be forgotten now."""
        table, bound = self._unproven, SESSIONS_UNPROVEN_MAX
        if session.proven_s is not None:
            table, bound = self._proven, SESSIONS_MAX
        table[session.key] = session
        table.move_to_end(session.key)
        if len(table) > bound:
            table.popitem(last=False)

    def prove(self, now: float, session: Session) -> None:
        """It lives. What it sent before may still be a recording, and counts as seen."""
        self._unproven.pop(session.key, None)
        session.proven_s, session.nonce = now, None
        session.window.close()
        self.remember(session)

    def doubt(self, session: Session) -> None:
        """Its proof has become too old for what it says: let it prove itself again."""
        self._proven.pop(session.key, None)
        session.proven_s = None
        self.remember(session)

    def __len__(self) -> int:
        return len(self._proven) + len(self._unproven)
