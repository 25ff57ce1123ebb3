"""The key file's text: a line of 64 hex digits for each key, the first one primary; "#" begins a comment. Pure."""

import re
from collections.abc import Collection, Sequence

from lbmesh.gossip.limits import KEYS_MAX

_KEY_HEX_DIGITS = 64
_LINE = re.compile(rf"\s*(?:(?P<key>[0-9A-Fa-f]{{{_KEY_HEX_DIGITS}}})\s*)?(?P<comment>#.*)?\Z")


def gossip_keys(text: str) -> tuple[bytes, ...]:
    """A key file's 32-byte keys, the first is primary. Raises ValueError, which never quotes one."""
    keys: list[bytes] = []
    for number, line in enumerate(text.splitlines(), 1):
        found = _LINE.match(line)
        if found is None:
            raise ValueError(
                f"line {number} of the key file is not {_KEY_HEX_DIGITS} hex digits; "
                "make one with `openssl rand -hex 32`"
            )
        if found["key"]:
            keys.append(bytes.fromhex(found["key"]))
    if not keys:
        raise ValueError("the key file holds no key; make one with `openssl rand -hex 32`")
    distinct = tuple(dict.fromkeys(keys))
    if len(distinct) > KEYS_MAX:
        raise ValueError(f"the key file holds {len(distinct)} keys; a ring holds at most {KEYS_MAX}, so remove some")
    return distinct


def rewritten(text: str, keys: Sequence[bytes], known: Collection[bytes]) -> str:
    """The text with these keys in this order. Comment lines stay where they are, a comment behind a key goes with it.

    Keys of the text that are not among `known`, those this node ever had, are an operator's edit that no reload has
    taken yet: they stay, behind the others. Raises ValueError for what `gossip_keys` refuses, but not for a blank text.
    """
    if text.strip():
        gossip_keys(text)
    lines = [_LINE.match(line) for line in text.splitlines()]
    present = {bytes.fromhex(line["key"]): line["comment"] or "" for line in lines if line and line["key"]}
    edited = [key for key in present if key not in known and key not in keys]
    written = [f"{key.hex()}  {present.get(key, '')}".rstrip() for key in (*keys, *edited)]
    out: list[str] = []
    for line in lines:
        if line is None or not line["key"]:
            out.append(line.string if line else "")
        elif written:
            out.append(written.pop(0))
    return "".join(f"{line}\n" for line in (*out, *written))
