"""Whom the far end of a TLS connection must prove to be, for requests to replicas and for probes alike.

What this needs to import is heavy: the sentinel reads settings too, and never comes here.
"""

import ssl

from lbmesh.config.key_pair import load_key_pair
from lbmesh.model.tls import KeyPair


def client_context(*, ca_certificates: str | None, verify: bool, key_pair: KeyPair | None) -> ssl.SSLContext:
    """A context to speak to a replica in. `ca_certificates`: PEM; None for the authorities that this machine trusts,
    which takes 20 ms to read. `verify` False: any certificate will do. `key_pair`: shown when the replica asks for one.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif ca_certificates is None:
        context.load_default_certs()
    else:
        # What an operator names is trusted for itself: a root, what a root signed, or the replica's own certificate.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.load_verify_locations(cadata=ca_certificates)
    if key_pair:
        load_key_pair(context, key_pair.chain_pem, key_pair.key_pem)
    return context
