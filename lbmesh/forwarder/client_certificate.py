"""What a client's certificate says, for the replica and for the access log. It was verified before."""

from base64 import b64encode
from hashlib import sha256

from cryptography import x509

SUBJECT_BYTES_MAX = 1024
"""A longer subject is left out; the certificate itself has it."""


def certificate_fields(der: bytes) -> bytes:
    """The field lines: Client-Cert as RFC 9440 has it, and what most rules want of it."""
    lines = b"Client-Cert: :%b:\r\nX-Client-Cert-Fingerprint: %b\r\n" % (b64encode(der), _fingerprint(der))
    subject = _subject(der)
    if subject:
        lines += b"X-Client-Cert-Subject: %b\r\n" % subject
    return lines


def certificate_fragment(der: bytes) -> bytes:
    """Its part of the access log's line."""
    return b'"client_cert":"%b",' % _fingerprint(der)


def _fingerprint(der: bytes) -> bytes:
    return sha256(der).hexdigest().encode()


def _subject(der: bytes) -> bytes:
    """The subject by RFC 4514, what is not printable ASCII as "%" and two hex digits; b"" when it cannot be read."""
    try:
        text = x509.load_der_x509_certificate(der).subject.rfc4514_string()
    except (ValueError, x509.InvalidVersion):
        return b""
    escaped = b"".join(
        b"%c" % byte if 0x20 <= byte < 0x7F and byte != 0x25 else b"%%%02X" % byte for byte in text.encode()
    )
    return escaped if len(escaped) <= SUBJECT_BYTES_MAX else b""
