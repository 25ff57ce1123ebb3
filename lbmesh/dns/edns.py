"""Writing OPT (RFC 6891, 6.1.2), the record with which an answer speaks EDNS."""

import struct

from lbmesh.dns.constants import FLAG_DNSSEC_OK, ExtendedError, Option, Rcode, Type
from lbmesh.dns.limits import UDP_BYTES_MAX

_OPT = struct.Struct("!BHHBBHH")
_EXTENDED_ERROR = struct.Struct("!HHH")


def opt_record(rcode: Rcode = Rcode.NOERROR, *, dnssec_ok: bool = False, options: bytes = b"") -> bytes:
    """OPT of version 0, with the upper bits of the code."""
    flags = FLAG_DNSSEC_OK if dnssec_ok else 0
    return _OPT.pack(0, Type.OPT, UDP_BYTES_MAX, rcode >> 4, 0, flags, len(options)) + options


def extended_error(error: ExtendedError) -> bytes:
    """The option that says why an answer is an error (RFC 8914, 2)."""
    return _EXTENDED_ERROR.pack(Option.EXTENDED_ERROR, 2, error)
