"""A certificate and its key: read, and tried as OpenSSL will use them, so that what is taken works.

What this needs to import is heavy: the sentinel reads settings too, and pays for it only where there is TLS.
"""

import ipaddress
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lbmesh.model.tls import KeyPair

if TYPE_CHECKING:
    import ssl

    from cryptography import x509

Part = Literal["cert", "key"]


class PairError(ValueError):
    """What is wrong, in words that say what to do; never a part of the key. `part`: in which of the two files."""

    def __init__(self, part: Part, message: str) -> None:
        super().__init__(message)
        self.part = part


def make_key_pair(cert: Path, key: Path, chain_pem: str, key_pem: str) -> KeyPair:
    """The pair in these texts of these files. Raises PairError when OpenSSL or clients could not use it.

    That it may have expired is not looked at: see `validity_fault`.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    try:
        chain = x509.load_pem_x509_certificates(chain_pem.encode())
        leaf = chain[0]
        names = _names(leaf)
        not_before, not_after = leaf.not_valid_before_utc, leaf.not_valid_after_utc
    except (ValueError, x509.InvalidVersion, x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as wrong:
        raise PairError("cert", "the file holds a damaged certificate; write it again") from wrong
    _match(chain, key_pem)
    _try(chain_pem, key_pem)
    return KeyPair(
        cert=cert,
        key=key,
        chain_pem=chain_pem,
        key_pem=key_pem,
        names=names,
        not_before_s=not_before.timestamp(),
        not_after_s=not_after.timestamp(),
        fingerprint=leaf.fingerprint(hashes.SHA256()).hex(),
    )


def validity_fault(pair: KeyPair, unix_s: float) -> str | None:
    """Why clients refuse this certificate at that time; None when they do not."""
    if pair.not_after_s < unix_s:
        return f"the certificate expired on {_day(pair.not_after_s)}; renew it"
    if pair.not_before_s > unix_s:
        return f"the certificate is valid only from {_day(pair.not_before_s)} on; set this machine's clock, or wait"
    return None


def load_key_pair(context: "ssl.SSLContext", chain_pem: str, key_pem: str) -> None:
    """Have a context show this pair. Raises ssl.SSLError. OpenSSL reads files only: one that has no name."""
    descriptor = os.memfd_create("lbmesh-key-pair")
    try:
        with os.fdopen(os.dup(descriptor), "w") as memory:
            memory.write(f"{key_pem.strip()}\n{chain_pem}")
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)


def _match(chain: "list[x509.Certificate]", key_pem: str) -> None:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(key_pem.encode(), password=None)
    except TypeError as encrypted:
        advice = "write it without: openssl pkey -in KEY -out PLAIN"
        raise PairError("key", f"the key has a passphrase, which nobody would type; {advice}") from encrypted
    except (ValueError, UnsupportedAlgorithm) as wrong:
        advice = "write the one that the certificate was made with"
        raise PairError("key", f"the file holds no private key in PEM that works; {advice}") from wrong
    public = key.public_key()
    for number, certificate in enumerate(chain, 1):
        if certificate.public_key() == public:
            if number > 1:
                message = f"the key belongs to certificate {number} of the file; write that one first"
                raise PairError("cert", message)
            return
    raise PairError("key", "the key does not belong to the certificate; write the one that it was made with")


def _try(chain_pem: str, key_pem: str) -> None:
    """As a forwarder will: OpenSSL also refuses keys that are too short to be safe."""
    import ssl

    try:
        load_key_pair(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), chain_pem, key_pem)
    except ssl.SSLError as refused:
        why = (refused.reason or "no reason given").replace("_", " ").lower()
        raise PairError("cert", f"OpenSSL does not take it ({why}); have another issued") from refused


def _names(certificate: "x509.Certificate") -> tuple[str, ...]:
    from cryptography import x509

    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    names = [name.lower() for name in found.get_values_for_type(x509.DNSName)]
    return (*names, *(str(ipaddress.ip_address(str(each))) for each in found.get_values_for_type(x509.IPAddress)))


def _day(unix_s: float) -> str:
    return f"{datetime.fromtimestamp(unix_s, UTC):%Y-%m-%d}"
