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


TICKET_KEYS_S = 6 * 3600.0
"""How long session tickets' keys serve. Whoever gets hold of them can read what TLS 1.2 resumed under them, so they
are to change once a week (RFC 9325, 3.4) or sooner. At each change a client that comes back shakes hands in full, once.
"""


class ListenerContext:
    """A listener's TLS. Every handshake begins in `door`, which has the session tickets' keys and demands, and no
    certificate of its own: one is chosen when the client has said whom it asks for.

    So tickets stay good when certificates are renewed: `renew` puts others behind the same door. They do not when
    anything else changes, which makes another door: what was demanded of a client is demanded again. OpenSSL makes the
    keys with a context and has no way from Python to change them, so `tick` makes another door in time, too.
    """

    __slots__ = ("_by_name", "_default", "_keys_until_s", "_tls", "door")

    def __init__(self, tls: ListenerTls, now: float) -> None:
        self.door = self._new_door(tls)
        self._keys_until_s = now + TICKET_KEYS_S
        self._tls = tls
        self.renew(tls)

    def tick(self, now: float) -> None:
        """To be called now and then: tickets get other keys when these have served long enough."""
        if now >= self._keys_until_s:
            self._keys_until_s = now + TICKET_KEYS_S
            self.door = self._new_door(self._tls)

    def _new_door(self, tls: ListenerTls) -> ssl.SSLContext:
        door = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        door.minimum_version = _VERSIONS[tls.min_version]
        door.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION | ssl.OP_CIPHER_SERVER_PREFERENCE
        door.verify_mode = _CLIENT_AUTH[tls.client_auth]
        door.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        door.sni_callback = self._choose
        return door

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
    """OpenSSL takes the certificate, ciphers, protocols and clients' authorities from here, all else from the door."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers(tls.ciphers)
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
