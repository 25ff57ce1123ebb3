"""Why a probe failed, in words for an operator; what a replica said in them is short and printable."""

import errno
import os
import socket
import ssl

import trio

from lbmesh.agent.limits import QUOTED_BYTES_MAX
from lbmesh.agent.probes.talk import CUT_SHORT

_SYSTEM_WORDS = {
    errno.ECONNREFUSED: "connection refused",
    errno.ECONNRESET: CUT_SHORT,
    errno.EPIPE: CUT_SHORT,
    errno.EHOSTUNREACH: "no route to the host",
    errno.ENETUNREACH: "network unreachable",
    errno.ETIMEDOUT: "no answer",
}

_TLS_WORDS = {
    "WRONG_VERSION_NUMBER": "the replica does not speak TLS here",
    "PACKET_LENGTH_TOO_LONG": "the replica does not speak TLS here",
    "HTTP_REQUEST": "the replica does not speak TLS here",
    "UNSUPPORTED_PROTOCOL": "the replica speaks only a TLS version that is no longer safe",
    "TLSV1_ALERT_PROTOCOL_VERSION": "the replica speaks only another TLS version",
    "TLSV1_ALERT_NO_APPLICATION_PROTOCOL": "the replica does not offer the protocol that the check speaks (ALPN)",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "the replica wants a certificate from its clients",
    "SSLV3_ALERT_HANDSHAKE_FAILURE": "the replica broke off the handshake",
    "TLSV1_UNRECOGNIZED_NAME": "the replica has no certificate for this name",
}


def quoted(data: bytes, marks: str = '"') -> str:
    """The beginning of what a replica said, on one line, in printable ASCII."""
    text = data[:QUOTED_BYTES_MAX].decode("ascii", "replace").rstrip()
    shown = "".join(each if " " <= each <= "~" else "?" for each in text)
    return f"{marks}{shown}{marks}" + ("…" if len(data) > QUOTED_BYTES_MAX else "")


def explain(error: Exception) -> str:
    """The operating system's word if there is one among the causes, else OpenSSL's, else the library's."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return _explain_tls(cause)
        if isinstance(cause, socket.gaierror):
            return f"the address cannot be used: {cause.strerror}".lower()
        if isinstance(cause, OSError) and cause.errno:
            return _SYSTEM_WORDS.get(cause.errno) or os.strerror(cause.errno).lower()
        cause = cause.__cause__ or cause.__context__
    return CUT_SHORT if isinstance(error, trio.BrokenResourceError) else str(error).lower() or type(error).__name__


def certificate_error(error: Exception) -> ssl.SSLCertVerificationError | None:
    """The refusal of a certificate among the causes."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLCertVerificationError):
        cause = cause.__cause__ or cause.__context__
    return cause


def _explain_tls(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return f"TLS: {CUT_SHORT}"
    reason = getattr(error, "reason", None) or "no reason given"
    return f"TLS: {_TLS_WORDS.get(reason) or reason.lower().replace('_', ' ')}"
