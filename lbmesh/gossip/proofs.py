"""Is there somebody behind a session, now? Until it has given back a nonce of ours, it may only ping and pong."""

from lbmesh.gossip.identity import Rng
from lbmesh.gossip.limits import GossipTiming
from lbmesh.gossip.messages import Message, Ping, Pong
from lbmesh.gossip.probing import Prober
from lbmesh.gossip.seal import Opened
from lbmesh.gossip.seeds import Seeds
from lbmesh.gossip.sessions import Session, Sessions


class Proofs:
    """Any nonce will do: of a seed's dialling, of an edge's ping, or one asked of just this session."""

    def __init__(self, sessions: Sessions, prober: Prober, seeds: Seeds, rng: Rng, timing: GossipTiming) -> None:
        self._sessions = sessions
        self._prober = prober
        self._seeds = seeds
        self._rng = rng
        self._timing = timing

    def hold(self, now: float, opened: Opened, messages: tuple[Message, ...]) -> bool:
        """True when the session has proved to live, be it by this datagram."""
        session = opened.session
        if session.proven_s is None and any(
            isinstance(message, Pong) and self._is_ours(now, opened, message.nonce) for message in messages
        ):
            self._sessions.prove(now, session)
        return session.proven_s is not None

    def _is_ours(self, now: float, opened: Opened, nonce: int) -> bool:
        return (
            opened.session.gave_back(now, nonce, self._timing)
            or self._seeds.awaits(nonce)
            or self._prober.awaits(now, opened.sender, nonce)
        )

    def ask(self, now: float, session: Session) -> Ping | None:
        """The ping that asks an unproven session for a proof; None when one has just gone out."""
        nonce = session.ask(now, self._rng.getrandbits(64), self._timing)
        return None if nonce is None else Ping(nonce)

    def is_recent(self, now: float, session: Session) -> bool:
        """True when the proof is so fresh that the sender still runs. An older one is withdrawn."""
        if session.proven_s is not None and now - session.proven_s <= self._timing.silent_s:
            return True
        self._sessions.doubt(session)
        return False
