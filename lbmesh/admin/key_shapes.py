"""The JSON of /v1/keys: who holds which gossip key, and orders about them. No key ever goes over the admin API."""

import json
from typing import Any

from lbmesh.control.inputs import KeyOrder, KeyVerb
from lbmesh.gossip.key_orders import RingPicture

KEYS_PATH = "/v1/keys"
ORDER_BYTES_MAX = 1024
"""An order names a key, and no more."""


def ring_shape(ring: RingPicture | None, fault: str | None) -> dict[str, Any]:
    """The picture as one node has it: members with their keys, and why its own key file cannot be written."""
    if ring is None:
        return {"primary": None, "wanted": None, "keys": [], "members": [], "fault": None}
    return {
        "primary": ring.primary,
        "wanted": ring.wanted,
        "keys": ring.keys,
        "members": [
            {
                "name": one.name,
                "state": one.state,
                "live": one.state.is_live,
                "primary": one.primary or None,
                "held": one.held,
                "in_memory_only": one.volatile,
            }
            for one in ring.members
        ],
        "fault": fault,
    }


def read_order(verb: KeyVerb, body: bytes) -> KeyOrder | str:
    """The order in a body, or what is wrong with it."""
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        return 'the body is not JSON: send {"key": "ID"}'
    if not isinstance(fields, dict) or not fields.keys() <= {"key", "force"}:
        return 'the body must be an object with "key", and "force" for a removal'
    key, force = fields.get("key", ""), fields.get("force", False)
    if not isinstance(key, str) or not isinstance(force, bool):
        return '"key" is a text, "force" is true or false'
    if not key and verb is not KeyVerb.INSTALL:
        return f'say which key to {verb}: {{"key": "ID"}}'
    return KeyOrder(verb, key, force)
