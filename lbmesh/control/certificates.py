"""What is amiss with the certificates: files that hold none that works, and those that soon expire. Pure."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from lbmesh.config.key_pairs import PairFiles
from lbmesh.control.inputs import Event, EventKind
from lbmesh.model.tls import KeyPair

CertificateFiles = PairFiles | tuple[Path]
"""Where a pair comes from, or the authorities of one file."""

EXPIRES_SOON_S = 14 * 24 * 3600.0
"""Certificates of 90 days are renewed with 30 left: with 14 left, renewing has failed for two weeks."""


class Certificates:
    """Says what changes, and holds what lasts."""

    __slots__ = ("_notices",)

    def __init__(self) -> None:
        self._notices: dict[str, Event] = {}

    def look(
        self,
        pairs: Iterable[KeyPair],
        renewed: Mapping[CertificateFiles, KeyPair | str],
        faults: Mapping[CertificateFiles, str],
        unix_s: float,
    ) -> tuple[Event, ...]:
        """Take what a look at the files brought. `pairs`: those in use now; `renewed`: what is new of them, and
        of authorities; `faults`: why what the files hold is not taken.
        """
        said = [
            Event(EventKind.CERTIFICATE, str(files[0]), "renewed", _what_is_new(new)) for files, new in renewed.items()
        ]
        before, self._notices = self._notices, {}
        for (file, *_), fault in faults.items():
            advice = f"the one before it stays in use; {fault}"
            self._note(Event(EventKind.CERTIFICATE, str(file), f"{file} is not taken", advice, is_trouble=True))
        for pair in pairs:
            if pair.not_after_s - unix_s < EXPIRES_SOON_S:
                expired = "has expired" if pair.not_after_s < unix_s else "expires soon"
                advice = f"renew it: its last day is {day(pair.not_after_s)}"
                self._note(
                    Event(EventKind.CERTIFICATE, str(pair.cert), f"{pair.cert} {expired}", advice, is_trouble=True)
                )
        said += [event for what, event in self._notices.items() if before.get(what) != event]
        return tuple(said)

    def _note(self, event: Event) -> None:
        self._notices[event.change] = event

    @property
    def notices(self) -> tuple[Event, ...]:
        """What is amiss now."""
        return tuple(self._notices.values())


def _what_is_new(new: KeyPair | str) -> str:
    if isinstance(new, KeyPair):
        return f"it expires on {day(new.not_after_s)}"
    return f"authorities that are trusted from now on: {new.count('BEGIN CERTIFICATE')}"


def day(unix_s: float) -> str:
    """The date, in UTC."""
    return f"{datetime.fromtimestamp(unix_s, UTC):%Y-%m-%d}"
