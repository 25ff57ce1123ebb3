"""Events in words: what the log and `lbmesh status` say of a change."""

from lbmesh.config.settings import Settings
from lbmesh.control.inputs import Event, EventKind
from lbmesh.gossip.members import MemberChange
from lbmesh.gossip.notices import Notice
from lbmesh.health.outcome import Flip
from lbmesh.model.health import Availability
from lbmesh.model.member import MemberState


def memory_event(settings: Settings, problem: str | None) -> Event | None:
    """The memory of this node cannot be written; None when it can. A node alone may do without, and often has no state
    directory.
    """
    if problem is None:
        return None
    return Event(
        EventKind.MEMORY,
        "memory",
        f"what survives a restart of this node cannot be written: {problem}",
        f'make room in node.state_dir, "{settings.node.state_dir}", and let this user write to it',
        is_trouble=settings.gossip is not None,
    )


def replica_event(flip: Flip) -> Event:
    """A replica's availability changed."""
    change = f"{flip.before} to {flip.after.availability}"
    is_trouble = flip.after.availability is Availability.DOWN
    return Event(EventKind.REPLICA, str(flip.replica), change, flip.after.reason, is_trouble)


def forwarder_event(worker: int, pid: int, change: str) -> Event:
    """Something about a forwarder changed."""
    return Event(EventKind.FORWARDER, str(worker), change, f"process {pid}")


def member_event(change: MemberChange) -> Event:
    """A member's state changed."""
    before = change.before or "unknown"
    is_trouble = change.after in (MemberState.DOWN, MemberState.IMPAIRED)
    return Event(EventKind.MEMBER, change.name, f"{before} to {change.after}", change.reason, is_trouble)


def key_file_event(fault: str) -> Event:
    """The key file cannot be written."""
    advice = "the key ring is lost when this node restarts; let lbmesh write the file and its directory"
    return Event(EventKind.KEY_RING, "key file", fault, advice, is_trouble=True)


def notice_event(notice: Notice) -> Event:
    """Gossip has something to tell an operator."""
    return Event(EventKind(notice.kind.value), notice.subject, notice.what, notice.advice, is_trouble=True)
