"""Bodies made from a request's id: each byte says whose it is, so that mixed-up bytes are facts with an owner. Pure."""

import re

from lbmesh_chaos.model.flow import Body
from lbmesh_chaos.model.tally import DAMAGED_BODY, FOREIGN_BODY, OK

BLOCK_BYTES = 1024
"""A block is its id, its number, then the id again and again."""
SIZES = {Body.SMALL: 256, Body.STREAM: 65_536}
PIECE_BYTES = 8192
"""Of a stream, sent at once."""
PIECE_GAP_S = 0.02

ID_HEADER = "X-Lbmesh-Drill-Id"
_ID = rb"([a-z0-9][a-z0-9-]{0,62}-[0-9]{1,9})"
ID = re.compile(_ID)
_BLOCK_START = re.compile(rb"<%b [0-9]{1,6}>" % _ID)
_WHOLE_WORD = re.compile(rb"(?<= )%b(?= )" % _ID)


def target_of(identity: str, body: Body) -> str:
    """The path by which a request is asked for."""
    return f"/{body}/{identity}"


def body_of(identity: str, size: int) -> bytes:
    """So many bytes that belong to this id alone."""
    name = identity.encode()
    filler = (b"%b " % name) * (BLOCK_BYTES // (len(name) + 1) + 1)
    if size <= BLOCK_BYTES:
        return (b"<%b 0>" % name + filler)[:size]
    starts = (b"<%b %d>" % (name, block) for block in range(-(-size // BLOCK_BYTES)))
    return b"".join([start + filler[: BLOCK_BYTES - len(start)] for start in starts])[:size]


def judge_body(identity: str, body: bytes, size: int) -> tuple[str, str]:
    """OK, FOREIGN_BODY or DAMAGED_BODY, and whose it is (of a foreign body) or what is wrong (of a damaged one)."""
    expected = body_of(identity, size)
    if body == expected:
        return OK, ""
    for found in _BLOCK_START.finditer(body):
        if (owner := found[1].decode()) != identity:
            return FOREIGN_BODY, owner
    length = min(len(body), size)
    differs = next((at for at in range(length) if body[at] != expected[at]), length)
    if differs == length:
        return DAMAGED_BODY, f"{len(body)} bytes instead of {size}"
    for found in _WHOLE_WORD.finditer(body, differs):
        if (owner := found[1].decode()) != identity:
            return FOREIGN_BODY, owner
    return DAMAGED_BODY, f"differs from byte {differs} on"
