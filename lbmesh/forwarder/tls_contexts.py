"""OpenSSL contexts of a forwarder: for listeners, by the name that a client asks for, and for services' replicas."""

import ssl

from lbmesh.config.key_pair import load_key_pair
from lbmesh.config.trust import client_context
from lbmesh.model.tls import ClientAuth, KeyPair, ListenerTls, ServiceTls, TlsVersion, UnknownName

_VERSIONS = {TlsVersion.TLS_1_2: ssl.TLSVersion.TLSv1_2, TlsVersion.TLS_1_3: ssl.TLSVersion.TLSv1_3}
_CLIENT_AUTH = {
    ClientAuth.OFF: ssl.CERT_NONE,
    ClientAuth.OPTIONAL: ssl.CERT_OPTIONAL,
    ClientAuth.REQUIRE: ssl.CERT_REQUIRED,
}
PROTOCOLS = ("http/1.1",)
"""What is offered by ALPN (RFC 7301). A client that offers none of it is served all the same (RFC 9112, 2.3)."""


class ListenerContext:
    """A listener's TLS. Every handshake begins in `door`, which has the session tickets' keys and demands, and no
    certificate of its own: one is chosen when the client has said whom it asks for.

    So tickets stay good when certificates are renewed: `renew` puts others behind the same door. They do not when
    anything else changes, which makes another door: what was demanded of a client is demanded again.
    """

    __slots__ = ("_by_name", "_default", "_tls", "door")

    def __init__(self, tls: ListenerTls) -> None:
        self.door = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.door.minimum_version = _VERSIONS[tls.min_version]
        self.door.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION | ssl.OP_CIPHER_SERVER_PREFERENCE
        self.door.set_ciphers(tls.ciphers)
        self.door.verify_mode = _CLIENT_AUTH[tls.client_auth]
        self.door.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        self.door.sni_callback = self._choose
        self._tls = tls
        self.renew(tls)

    def renew(self, tls: ListenerTls) -> None:
        """Show these certificates from now on; all else is as it was."""
        self._tls = tls
        contexts = [_certificate_context(pair, tls) for pair in tls.key_pairs]
        self._default = contexts[0]
        self._by_name: dict[str, ssl.SSLContext] = {}
        for pair, context in zip(tls.key_pairs, contexts, strict=True):
            for name in pair.names:
                self._by_name.setdefault(name, context)

    def _choose(self, connection: ssl.SSLObject | ssl.SSLSocket, name: str | None, _: ssl.SSLContext) -> int | None:
        """The certificate for this name: the exact one, that for "*." and all but its first label, or the first."""
        if name is None:
            connection.context = self._default
            return None
        name = name.lower()
        found = self._by_name.get(name) or self._by_name.get(f"*.{name.partition('.')[2]}")
        if found is None and self._tls.unknown_name is UnknownName.REFUSE:
            return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
        connection.context = found or self._default
        return None


def _certificate_context(pair: KeyPair, tls: ListenerTls) -> ssl.SSLContext:
    """OpenSSL takes the certificate, the protocols and the clients' authorities from here, all else from the door."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    load_key_pair(context, pair.chain_pem, pair.key_pem)
    context.set_alpn_protocols(list(PROTOCOLS))
    if tls.client_ca_certificates:
        context.load_verify_locations(cadata=tls.client_ca_certificates)
    return context


def service_context(tls: ServiceTls) -> ssl.SSLContext:
    """The context in which a service's replicas are spoken to."""
    context = client_context(ca_certificates=tls.ca_certificates, verify=tls.verify, key_pair=tls.key_pair)
    context.minimum_version = _VERSIONS[tls.min_version]
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.set_alpn_protocols(list(PROTOCOLS))
    return context
