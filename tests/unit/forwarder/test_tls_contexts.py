"""The contexts in which clients shake hands: sessions outlive certificates, not the keys of their tickets."""

import ssl

import pytest

from lbmesh.forwarder.engine import Engine
from lbmesh.forwarder.tls_contexts import TICKET_KEYS_S, ListenerContext, service_context
from lbmesh.model.listener import ListenerPolicy
from lbmesh.model.tls import ListenerTls, ServiceTls
from lbmesh.observe.access_log import AccessLog
from tests.support.certificates import Authority, client_context, key_pair
from tests.support.forwarders import a_view

NAME = "site.test"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("contexts"))


class Visitor:
    """A client that comes back with its last session."""

    def __init__(self, authority: Authority, version: ssl.TLSVersion) -> None:
        self._context = client_context(authority.file, minimum_version=version, maximum_version=version)
        self._session: ssl.SSLSession | None = None

    def is_resumed(self, door: ssl.SSLContext) -> bool:
        """Shake hands with this door."""
        to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = self._context.wrap_bio(to_client, to_server, server_hostname=NAME, session=self._session)
        server = door.wrap_bio(to_server, to_client, server_side=True)
        pending = [client, server]
        while pending:
            side = pending.pop(0)
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                pending.append(side)
        server.write(b"a ticket comes before this")
        client.read()
        self._session = client.session
        return bool(client.session_reused)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_ticket_keys_serve_their_time_and_no_longer(authority: Authority, version: ssl.TLSVersion) -> None:
    context = ListenerContext(ListenerTls((key_pair(authority.issue(NAME)),)), 100.0)
    visitor = Visitor(authority, version)
    assert not visitor.is_resumed(context.door)
    context.tick(100.0 + TICKET_KEYS_S - 1.0)
    assert visitor.is_resumed(context.door)
    context.tick(100.0 + TICKET_KEYS_S)
    assert not visitor.is_resumed(context.door)
    context.tick(100.0 + 2 * TICKET_KEYS_S - 1.0)
    assert visitor.is_resumed(context.door)
    context.tick(100.0 + 2 * TICKET_KEYS_S)
    assert not visitor.is_resumed(context.door)


def test_another_door_demands_and_shows_the_same(authority: Authority) -> None:
    context = ListenerContext(ListenerTls((key_pair(authority.issue(NAME)),)), 0.0)
    renewed = ListenerTls((key_pair(authority.issue(NAME)),))
    context.renew(renewed)
    before = context.door
    context.tick(TICKET_KEYS_S)
    assert _demands(before) == _demands(context.door)
    assert before is not context.door


def test_nobody_may_have_the_keys_agreed_anew_or_bytes_compressed(authority: Authority) -> None:
    """The one is work without end for whoever asks (RFC 9325, 3.5), the other tells of what is secret (3.3)."""
    front = ListenerContext(ListenerTls((key_pair(authority.issue(NAME)),)), 0.0).door
    for context in (front, service_context(ServiceTls(ca_certificates=authority.text))):
        assert context.options & ssl.OP_NO_RENEGOTIATION
        assert context.options & ssl.OP_NO_COMPRESSION


def _demands(door: ssl.SSLContext) -> tuple[object, ...]:
    asked = door.options, door.minimum_version, door.verify_mode, door.verify_flags, door.get_ciphers()
    return *asked, door.sni_callback


def test_a_forwarder_changes_them_while_it_runs(authority: Authority) -> None:
    engine = Engine(access_log=AccessLog("off"), random=lambda: 0.5, id_prefix=b"0" * 16, wall_clock=lambda: 0.0)
    policy = ListenerPolicy(tls=ListenerTls((key_pair(authority.issue(NAME)),)))
    for _ in engine.adopt(a_view([], listener=policy)):
        continue
    assert engine.serving is not None
    context = engine.serving.listener(0).context
    assert context is not None
    before = context.door
    list(engine.tick(engine.reactor.now + 1.0))
    assert context.door is before
    list(engine.tick(engine.reactor.now + TICKET_KEYS_S + 60.0))
    assert context.door is not before
