"""A process on a segment that opens TCP connections, or takes them, one word at a time: a line in, a line out.

listen PORT · heard (by the oldest connection) · close-all · connect NAME HOST PORT [OWN-PORT], which says its own
port · send NAME TEXT · close NAME · abort NAME (by a reset) · half-close NAME · wait NAME, which says "reset",
"closed", or what came · forge OWN HOST PORT FLAGS TIMES: packets of connections that are not there.
"""

import contextlib
import socket
import struct
import sys
import threading

taken: list[socket.socket] = []
opened: dict[str, socket.socket] = {}
_FLAGS = {"F": 0x01, "S": 0x02, "R": 0x04, "P": 0x08, "A": 0x10}


def accept(listening: socket.socket) -> None:
    """All that come."""
    while True:
        taken.append(listening.accept()[0])


def listen(port: str) -> str:
    """On both families."""
    listening = socket.create_server(("", int(port)), family=socket.AF_INET6, dualstack_ipv6=True)
    threading.Thread(target=accept, args=(listening,), daemon=True).start()
    return "listening"


def close_all() -> str:
    """Of those taken."""
    while taken:
        one = taken.pop()
        with contextlib.suppress(BlockingIOError):
            one.recv(4096, socket.MSG_DONTWAIT)
        one.close()
    return "closed"


def connect(name: str, host: str, port: str, own: str = "0") -> str:
    """A new one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    one = opened[name] = socket.socket(family, socket.SOCK_STREAM)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    one.bind(("", int(own)))
    one.connect((host, int(port)))
    return str(one.getsockname()[1])


def abort(name: str) -> str:
    """With a reset."""
    one = opened.pop(name)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    one.close()
    return "aborted"


def wait(name: str) -> str:
    """For what comes."""
    try:
        return opened[name].recv(4096).decode() or "closed"
    except ConnectionResetError:
        return "reset"


def forge(own: str, host: str, port: str, flags: str, times: str) -> str:
    """Each from another port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bits = sum(_FLAGS[flag] for flag in flags)
    with socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_TCP) as raw:
        pseudo = socket.inet_pton(family, own) + socket.inet_pton(family, host) + struct.pack(">HH", 6, 20)
        for number in range(int(times)):
            segment = struct.pack(">HHIIBBHHH", 1000 + number, int(port), 1, 1, 5 << 4, bits, 1000, 0, 0)
            data = pseudo + segment
            total = sum(struct.unpack(f">{len(data) // 2}H", data))
            total = (total & 0xFFFF) + (total >> 16)
            total = (total & 0xFFFF) + (total >> 16)
            raw.sendto(segment[:16] + struct.pack(">H", 0xFFFF - total) + segment[18:], (host, 0))
    return "forged"


def obey(word: str, *rest: str) -> str:
    """One line."""
    match word:
        case "listen":
            return listen(*rest)
        case "heard":
            return taken[0].recv(4096).decode()
        case "close-all":
            return close_all()
        case "connect":
            return connect(*rest)
        case "send":
            return str(opened[rest[0]].send(rest[1].encode()))
        case "close":
            opened.pop(rest[0]).close()
            return "closed"
        case "abort":
            return abort(*rest)
        case "half-close":
            opened[rest[0]].shutdown(socket.SHUT_WR)
            return "half-closed"
        case "wait":
            return wait(*rest)
        case "forge":
            return forge(*rest)
        case _:
            raise ValueError(word)


for line in sys.stdin:
    print(obey(*line.split()), flush=True)
