"""Whether a program answers: a small question from within its host, and no more than a yes or a no."""

import socket
from dataclasses import dataclass
from pathlib import Path

import dns.message
import dns.rcode
import trio

from lbmesh.model.address import Address
from lbmesh_chaos.lab.kernel import in_network

ANSWER_WITHIN_S = 1.0
_HEAD_BYTES_MAX = 4096


@dataclass(frozen=True, slots=True)
class Question:
    """`path`: a GET that must be answered with 2xx; "" for a DNS server, which is asked for a name of its own."""

    host: str
    port: int
    path: str


def family_of(host: str) -> socket.AddressFamily:
    """Of an IP address."""
    return socket.AF_INET6 if ":" in host else socket.AF_INET


async def answers(network: Path, question: Question) -> bool:
    """Ask once."""
    kind = socket.SOCK_STREAM if question.path else socket.SOCK_DGRAM
    with in_network(network):
        plain = socket.socket(family_of(question.host), kind)
    asking = trio.socket.from_stdlib_socket(plain)
    with asking, trio.move_on_after(ANSWER_WITHIN_S):
        try:
            await asking.connect((question.host, question.port))
            if question.path:
                return await _get(asking, question)
            return await _resolve(asking)
        except OSError:
            return False
    return False


async def _get(asking: trio.socket.SocketType, question: Question) -> bool:
    where = Address(question.host, question.port)
    head = f"GET {question.path} HTTP/1.1\r\nHost: {where}\r\nConnection: close\r\n\r\n"
    await asking.send(head.encode())
    line = await asking.recv(_HEAD_BYTES_MAX)
    return line.startswith(b"HTTP/1.1 2")


async def _resolve(asking: trio.socket.SocketType) -> bool:
    query = dns.message.make_query("ready.invalid.", "A")
    await asking.send(query.to_wire())
    return query.is_response(dns.message.from_wire(await asking.recv(_HEAD_BYTES_MAX)))
