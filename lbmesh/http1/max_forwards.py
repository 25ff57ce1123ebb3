"""Max-Forwards (RFC 9110 §7.6.2): how many intermediaries OPTIONS may still pass. TRACE is always refused."""

import re

from lbmesh.http1.fields import Field, FieldSection
from lbmesh.http1.message import Refusal, bad_request

MAX_FORWARDS_MAX = 255
"""More than this is cut down to it, as the clause allows: no request passes that many."""

_NAME = b"max-forwards"
_DIGITS = re.compile(rb"[0-9]{1,18}\Z")


def one_hop_less(fields: tuple[Field, ...]) -> tuple[Field, ...] | Refusal:
    """The fields of an OPTIONS request as they go on; a Refusal when it ends here or says no number."""
    values = FieldSection(fields).values(_NAME)
    if not values:
        return fields
    if len(values) > 1 or not _DIGITS.match(values[0]):
        return bad_request("Max-Forwards is not one decimal number (RFC 9110 section 7.6.2)")
    left = min(int(values[0]), MAX_FORWARDS_MAX + 1)
    if left == 0:
        return Refusal(200, "final_recipient", "OPTIONS with Max-Forwards: 0 is answered here (RFC 9110 section 7.6.2)")
    return tuple((name, b"%d" % (left - 1) if name.lower() == _NAME else value) for name, value in fields)
