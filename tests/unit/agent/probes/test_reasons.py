"""Words for what a replica said are short, on one line and printable; any check that can be written can be sent."""

import errno
import socket
import ssl

import h11
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from lbmesh.agent.limits import QUOTED_BYTES_MAX
from lbmesh.agent.probes.grpc_probe import judge
from lbmesh.agent.probes.http_probe import request_bytes
from lbmesh.agent.probes.words import explain, quoted
from lbmesh.model.check import GrpcProbe, HttpProbe
from tests.support.settings import http_probes


@given(st.binary(), st.sampled_from(['"', ""]))
def test_any_bytes_are_quoted_in_print(said: bytes, marks: str) -> None:
    shown = quoted(said, marks)
    assert shown.isprintable()
    assert len(shown) <= QUOTED_BYTES_MAX + len('""…')


@given(http_probes)
def test_any_check_that_can_be_written_can_be_sent(probe: HttpProbe) -> None:
    server = h11.Connection(h11.SERVER)
    server.receive_data(request_bytes(h11.Connection(h11.CLIENT), probe, "10.0.0.1:80"))
    request = server.next_event()
    assert isinstance(request, h11.Request)
    assert (request.method, request.target) == (probe.method.encode(), probe.path.encode())
    sent = [(bytes(name), bytes(value)) for name, value in request.headers]
    assert all((name.lower().encode(), value.encode()) in sent for name, value in probe.headers)
    assert (b"host", b"10.0.0.1:80") in sent
    assert isinstance(server.next_event(), h11.EndOfMessage)


@given(st.dictionaries(st.sampled_from([b":status", b"content-type", b"grpc-status", b"grpc-message"]), st.binary()),
       st.binary())  # fmt: skip
def test_whatever_a_grpc_server_says_there_is_a_verdict(fields: dict[bytes, bytes], data: bytes) -> None:
    result = judge(GrpcProbe("shop"), fields, data)
    assert result.reason.startswith("gRPC: ")
    assert result.reason.isprintable()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.EHOSTUNREACH, "x"), "no route to the host"),
        (OSError(errno.ENETUNREACH, "x"), "network unreachable"),
        (OSError(errno.EMFILE, "x"), "too many open files"),
        (socket.gaierror(-2, "Name or service not known"), "the address cannot be used: name or service not known"),
        (trio.BrokenResourceError("x"), "connection closed before a whole answer"),
        (ssl.SSLError(1, "x"), "TLS: no reason given"),
    ],
)
def test_errors_in_words(error: Exception, words: str) -> None:
    assert explain(error) == words
    try:
        raise trio.BrokenResourceError from error
    except trio.BrokenResourceError as broken:
        assert explain(broken) == words  # noqa: PT017
