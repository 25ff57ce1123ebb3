"""Who is at the other end of a client's connection, who asks by its word, and what replicas and the log are told."""

import socket

from lbmesh.forwarder.socket_ends import socket_ends
from lbmesh.http1.message import RequestHead
from lbmesh.http1.provenance import ProvenanceRules
from lbmesh.http1.response_rewrite import VIA
from lbmesh.model.address import Address

REMEMBERED_HEAD_BYTES_MAX = 1024


class Peer:
    """The peer of one connection.

    `address`, without a port, and `scheme`: of the client of the request in hand, which a trusted peer may say.
    `log_fragment`: that client, and the peer if it is another, in the log's words; `own_log_fragment`: the peer alone.
    `plain_rules`: the rules by which replicas are told `forwarded` and the host and no more, None when they are told
    more. `remembered_bytes_max`: of a head whose bytes alone say what it means.
    """

    __slots__ = (
        "_ends",
        "_identity",
        "_is_trusted",
        "_rules",
        "_scheme",
        "_tls_log_fragment",
        "address",
        "forwarded",
        "host",
        "log_fragment",
        "own_log_fragment",
        "plain_rules",
        "remembered_bytes_max",
        "scheme",
    )

    def __init__(self, host: str, scheme: bytes, rules: ProvenanceRules) -> None:
        """`host`: the address; `scheme`: http or https, as the connection is."""
        self._ends: tuple[Address, Address] | None = None
        self._identity = self._tls_log_fragment = b""
        self._know(host, scheme, rules)

    def stands_for(self, source: Address, destination: Address, rules: ProvenanceRules, *, over_tls: bool) -> None:
        """A PROXY header said so: from now on that is the peer, whatever is at the other end of the socket."""
        sender = self.host
        self._ends = source, destination
        self._know(source.host, b"https" if over_tls else self._scheme, rules)
        if source.host != sender:
            self.own_log_fragment = self.log_fragment = _log_fragment(source.host, sender)

    def _know(self, host: str, scheme: bytes, rules: ProvenanceRules) -> None:
        """Take the connection to be from this address, over http or https."""
        self.host = host
        self._scheme = scheme
        text = host.encode()
        self.forwarded = b"%bX-Forwarded-For: %b\r\nX-Forwarded-Proto: %b\r\nX-Forwarded-Host: " % (VIA, text, scheme)
        self.own_log_fragment = self.log_fragment = b'"client":"%b",' % text
        self._judge(rules)

    def _judge(self, rules: ProvenanceRules) -> None:
        """What the peer's word is worth, which holds for as long as the rules do. A peer that is not trusted, where
        replicas are told no more than usual, costs a request nothing.
        """
        self._know_client(self.host, self._scheme)
        self._rules = rules
        self._is_trusted = rules.trusts(self.host)
        self.remembered_bytes_max = 0 if self._is_trusted else REMEMBERED_HEAD_BYTES_MAX
        self.plain_rules = rules if rules.tells_plainly and not self._is_trusted else None

    def is_secured(self, log_fragment: bytes, identity: bytes) -> None:
        """TLS is up: what the log says of it, and the field lines that tell a replica of the client's certificate."""
        self._identity = identity
        self.forwarded = identity + self.forwarded
        self._tls_log_fragment = log_fragment
        self.own_log_fragment += log_fragment
        self.log_fragment += log_fragment

    def introduce(self, rules: ProvenanceRules, head: RequestHead, data: bytes) -> tuple[RequestHead, bytes]:
        """The head, and the field lines that tell a replica who asks, by the rules in force."""
        if rules is not self._rules:
            self._judge(rules)
        if rules is self.plain_rules:
            return head, self.forwarded + head.host + b"\r\n"
        if self._is_trusted:
            who = rules.introduce(data, head.head_bytes, self.host, self._scheme, head.host)
            self._know_client(who.client, who.scheme)
        else:
            who = rules.introduce_peer(self.host, self._scheme, head.host)
        if who.editable:
            head = head._replace(head=head.head + who.editable)
        return head, self._identity + VIA + who.fields

    def _know_client(self, host: str, scheme: bytes) -> None:
        """Take this request to be from this address, which the log names beside the peer's if it is another, and to
        have been asked over http or https.
        """
        self.address = host
        self.scheme = scheme
        self.log_fragment = self.own_log_fragment
        if host != self.host:
            self.log_fragment = _log_fragment(host, self.host) + self._tls_log_fragment

    def ends(self, connection: socket.socket) -> tuple[Address, Address] | None:
        """Where the request comes from and where it came to; None when the client is gone. Of a client that a proxy
        names the port is not known, and is 0.
        """
        try:
            source, local = self._ends or socket_ends(connection)
        except OSError:
            return None
        return source if self.address == self.host else Address(self.address, 0), local


def _log_fragment(client: str, peer: str) -> bytes:
    return b'"client":"%b","peer":"%b",' % (client.encode(), peer.encode())
