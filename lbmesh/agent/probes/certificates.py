"""What is wrong with a replica's certificate, in words that name it: its dates, or whom it is for.

OpenSSL does not hand out a certificate that it refused. So whoever wants these words fetches it once more, without a
check; the verdict stays that of the first connection.
"""

import ssl
from datetime import UTC, datetime
from enum import IntEnum

from cryptography import x509

from lbmesh.agent.probes.words import quoted

NAMES_SHOWN_MAX = 3

UNREADABLE = (ValueError, x509.InvalidVersion)
"""OpenSSL takes versions of a certificate that there are none of."""


class _Refusal(IntEnum):
    """X509_V_ERR_… of OpenSSL's x509_vfy.h."""

    NOT_YET_VALID = 9
    EXPIRED = 10
    SELF_SIGNED = 18
    SELF_SIGNED_IN_CHAIN = 19
    NO_ISSUER = 20
    NO_ISSUER_OF_LEAF = 21
    OTHER_NAME = 62
    OTHER_IP = 64


def plain_refusal(refused: ssl.SSLCertVerificationError, server_name: str) -> str:
    """Why the certificate was refused, as far as OpenSSL says it."""
    match refused.verify_code:
        case _Refusal.EXPIRED:
            return "TLS: a certificate has expired"
        case _Refusal.NOT_YET_VALID:
            return "TLS: a certificate is not valid yet"
        case _Refusal.OTHER_NAME | _Refusal.OTHER_IP:
            return f"TLS: certificate is not for {server_name}"
        case _Refusal.SELF_SIGNED:
            return "TLS: certificate is self-signed and not trusted; name it in tls.ca to trust it"
        case _Refusal.SELF_SIGNED_IN_CHAIN | _Refusal.NO_ISSUER | _Refusal.NO_ISSUER_OF_LEAF:
            return "TLS: certificate's authority is not trusted; name it in tls.ca to trust it"
        case _:
            return f"TLS: certificate refused: {refused.verify_message.lower()}"


def wants_a_look(refused: ssl.SSLCertVerificationError) -> bool:
    """True when the certificate itself has more to say."""
    return refused.verify_code in (_Refusal.EXPIRED, _Refusal.NOT_YET_VALID, _Refusal.OTHER_NAME, _Refusal.OTHER_IP)


def refusal(refused: ssl.SSLCertVerificationError, server_name: str, der: bytes) -> str:
    """Why the certificate was refused, with what it says itself."""
    plain = plain_refusal(refused, server_name)
    try:
        certificate = x509.load_der_x509_certificate(der)
        first, last = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    except UNREADABLE:
        return plain
    now = datetime.now(UTC)
    match refused.verify_code:
        case _Refusal.EXPIRED if last < now:
            return f"TLS: certificate expired on {last:%Y-%m-%d}"
        case _Refusal.NOT_YET_VALID if now < first:
            return f"TLS: certificate is valid only from {first:%Y-%m-%d} on"
        case _Refusal.OTHER_NAME | _Refusal.OTHER_IP:
            return f"TLS: certificate is for {_shown(_names(certificate))}, not {server_name}"
        case _:
            return plain


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        names = extension.value.get_values_for_type(x509.DNSName)
        return names + [str(address) for address in extension.value.get_values_for_type(x509.IPAddress)]
    except (
        ValueError,
        x509.InvalidVersion,
        x509.ExtensionNotFound,
        x509.DuplicateExtension,
        x509.UnsupportedGeneralNameType,
    ):
        return []


def _shown(names: list[str]) -> str:
    shown = ", ".join(quoted(name.encode(), marks="") for name in names[:NAMES_SHOWN_MAX])
    more = len(names) - NAMES_SHOWN_MAX
    return (shown or "no name at all") + (f" and {more} more" if more > 0 else "")
