"""Certificates, keys and authorities that are exchanged on disk, under a whole node that nobody tells of it."""

import hashlib
import os
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.certificates import Authority, client_context, key_pair, server_context
from tests.support.nodes import Node
from tests.support.origins import answering, behind_tls, running_origin
from tests.support.raw_client import RawClient
from tests.support.wait import wait_for

NAME = "shop.test"
GET = b"GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def put(file: Path, text: str) -> None:
    """In one step, as who renews should."""
    beside = file.with_suffix(".new")
    beside.write_text(text)
    beside.chmod(0o600)
    os.replace(beside, file)


@contextmanager
def secured(node: Node, authority: Authority) -> Iterator[ssl.SSLSocket]:
    plain = socket.create_connection((node.address.host, node.address.port), timeout=20.0)
    with client_context(authority.file).wrap_socket(plain, server_hostname=NAME) as connection:
        yield connection


def shown(node: Node, authority: Authority) -> str:
    """The certificate that a new client gets."""
    with secured(node, authority) as connection:
        return hashlib.sha256(connection.getpeercert(binary_form=True) or b"").hexdigest()


def times_said(node: Node, file: Path, change: str) -> int:
    said = [(line["subject"], line["change"]) for line in node.log_lines("certificate")]
    return said.count((str(file), change))


def test_a_node_follows_its_files_and_keeps_what_works(tmp_path: Path, authority: Authority) -> None:
    """The front's pair is renewed, then broken, while the replicas change over to another authority."""
    pair, ca = tmp_path / "front.pem", tmp_path / "replicas.ca"
    next_authority = Authority(tmp_path, "next")
    put(pair, authority.issue(NAME).read_text())
    put(ca, authority.text)
    replica_context = server_context(authority.issue(NAME))
    with running_origin(behind_tls(replica_context, answering(b"hello"))) as origin:
        node = Node(tmp_path, "lb-a1", "zone-a", [(origin.address, "zone-a")])
        node.listener_tls = f'tls = {{ cert = "{pair}", key = "{pair}" }}'
        node.service_tls = f'tls = {{ ca = "{ca}", server_name = "{NAME}" }}'
        node.write_config()
        try:
            node.start()
            node.wait_availability(origin.address, "up")
            with secured(node, authority) as early:
                client = RawClient(early)
                assert client.exchange(GET).body == b"hello"

                renewed = key_pair(authority.issue(NAME))
                put(pair, renewed.key_pem + renewed.chain_pem)
                put(ca, authority.text + next_authority.text)
                wait_for(lambda: shown(node, authority) == renewed.fingerprint, "the new certificate at the front")
                wait_for(lambda: times_said(node, ca, "renewed") == 1, "both authorities to be trusted")

                put(pair, "nothing that works")
                replica_context.load_cert_chain(next_authority.issue(NAME))
                put(ca, next_authority.text)
                wait_for(lambda: times_said(node, pair, f"{pair} is not taken") == 1, "the broken file to be told")
                wait_for(lambda: times_said(node, ca, "renewed") == 2, "the old authority to be taken out")
                assert shown(node, authority) == renewed.fingerprint
                assert client.exchange(GET).body == b"hello"
                assert node.availability() == {str(origin.address): "up"}
        finally:
            node.clean_up()
