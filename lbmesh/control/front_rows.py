"""Fronts as gossip rows: `!front:<address>` is a node's claim, `!vote:<address>` its vote, `!fronts` whether it takes
any. All are signed.

A claim: {"state", "epoch", "why"}, and only where they are set "heir", "firm", "unfit", "bid"; a vote: {"for", "epoch",
"bid"}; a bid: [session, round, electorate].
"""

import json
from typing import Any

from lbmesh.failover.claims import Bid, Claim, FrontState, Grant

WILLING_KEY = "!fronts"
CLAIM_PREFIX = "!front:"
VOTE_PREFIX = "!vote:"

NUMBER_MAX = 2**53
"""Epochs and rounds beyond it are nobody's: a hostile peer could use up all numbers."""

TEXT_MAX = 64
"""Of a session, an electorate and a name."""

REASON_CHARACTERS_MAX = 160
"""A value has 512 bytes."""


def is_front_row(key: str) -> bool:
    """Is the row about fronts?"""
    return key == WILLING_KEY or key.startswith((CLAIM_PREFIX, VOTE_PREFIX))


def willing_value(*, is_willing: bool) -> bytes:
    """The row's value."""
    return _json({"willing": is_willing})


def parse_willing(value: bytes) -> bool | None:
    """What it says; None when it is malformed, as a hostile peer may write it."""
    fields = _fields(value)
    willing = fields.get("willing") if fields else None
    return willing if isinstance(willing, bool) else None


def claim_value(claim: Claim) -> bytes:
    """The row's value."""
    why = "".join(one if " " <= one <= "~" else "?" for one in claim.reason[:REASON_CHARACTERS_MAX])
    fields: dict[str, Any] = {"state": claim.state, "epoch": claim.epoch, "why": why}
    fields |= {"heir": claim.heir} if claim.heir else {}
    fields |= {"firm": True} if claim.is_firm else {}
    fields |= {"unfit": True} if claim.is_unfit else {}
    fields |= {"bid": _bid_fields(claim.bid)} if claim.bid else {}
    return _json(fields)


def parse_claim(value: bytes) -> Claim | None:
    """A peer's claim; None when it is malformed."""
    fields = _fields(value)
    if fields is None:
        return None
    try:
        return Claim(
            FrontState(fields["state"]),
            _number(fields["epoch"]),
            _text(fields["why"], REASON_CHARACTERS_MAX),
            _text(fields.get("heir", "")),
            fields.get("firm") is True,
            fields.get("unfit") is True,
            _bid(fields["bid"]) if "bid" in fields else None,
        )
    except (ValueError, TypeError, KeyError):
        return None


def vote_value(grant: Grant) -> bytes:
    """The row's value."""
    return _json({"for": grant.holder, "epoch": grant.epoch, "bid": _bid_fields(grant.bid)})


def parse_vote(value: bytes) -> Grant | None:
    """A peer's vote; None when it is malformed."""
    fields = _fields(value)
    if fields is None:
        return None
    try:
        return Grant(_text(fields["for"]), _number(fields["epoch"]), _bid(fields["bid"]))
    except (ValueError, TypeError, KeyError):
        return None


def _json(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode()


def _fields(value: bytes) -> dict[str, Any] | None:
    try:
        fields = json.loads(value)
    except (ValueError, RecursionError):
        return None
    return fields if isinstance(fields, dict) else None


def _bid_fields(bid: Bid) -> list[str | int]:
    return [bid.session, bid.round, bid.electorate]


def _bid(fields: Any) -> Bid:
    if not isinstance(fields, list) or len(fields) != 3:
        raise ValueError("no bid")
    session, number, electorate = fields
    return Bid(_text(session), _number(number), _text(electorate))


def _number(value: Any) -> int:
    if type(value) is not int or not 0 <= value <= NUMBER_MAX:
        raise ValueError("no number")
    return value


def _text(value: Any, most: int = TEXT_MAX) -> str:
    if not isinstance(value, str) or len(value) > most:
        raise ValueError("no text")
    return value
