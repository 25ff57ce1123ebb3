"""Replicas of the nodes, as a program: the one on port 8000 + N answers for node N with the id that it was sent.

Told to end by the end of its standard input, it prints what came more than once: a JSON object from the id of a
request that must not be repeated (POST) to how often it was carried out.
"""

import asyncio
import json
import sys
from collections import Counter

from tests.bench.vip.words import body_of

executed: Counter[str] = Counter()


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection of a balancer's."""
    node = writer.get_extra_info("sockname")[1] - 8000
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            method, path, _ = head.split(b" ", 2)
            fields = {
                name.lower(): value.strip() for name, _, value in (one.partition(b":") for one in head.split(b"\r\n"))
            }
            await reader.readexactly(int(fields.get(b"content-length", b"0")))
            marked = path.rpartition(b"/")[2].decode() or "unmarked"
            if method == b"POST":
                executed[marked] += 1
            body = body_of(marked)
            writer.write(b"HTTP/1.1 200 OK\r\nX-Node: %d\r\nContent-Length: %d\r\n\r\n" % (node, len(body)) + body)
            await writer.drain()
    except (asyncio.IncompleteReadError, OSError):
        pass
    finally:
        writer.close()


async def main() -> None:
    """Serve until told to end."""
    servers = [await asyncio.start_server(serve, "0.0.0.0", 8000 + int(number)) for number in sys.argv[1:]]
    print("listening", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    for server in servers:
        server.close()
    print(json.dumps({marked: times for marked, times in executed.items() if times > 1}), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
