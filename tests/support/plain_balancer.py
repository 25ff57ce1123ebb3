"""A process in a balancer's stead, so that it can be killed, stopped or cut off: `ADDRESS SERVICE_S`.

It answers each request after SERVICE_S with 1 KiB made of the request's X-Id, and writes the method and that id to
standard output before it answers. Behind a balancer it is an origin: its health checks have no id.
"""

import asyncio
import os
import sys

BODY_BYTES = 1024


def body_of(number: str) -> bytes:
    """What only this request is answered with."""
    return (f"{number}," * (BODY_BYTES // (len(number) + 1) + 1)).encode()[:BODY_BYTES]


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, service_s: float) -> None:
    """One connection."""
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            method = head.partition(" ")[0]
            fields = {
                name.lower(): value.strip()
                for name, _, value in (line.partition(":") for line in head.split("\r\n")[1:])
            }
            await reader.readexactly(int(fields.get("content-length", "0")))
            await asyncio.sleep(service_s)
            number = fields.get("x-id", "healthz")
            os.write(1, f"{method} {number}\n".encode())
            body = body_of(number)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def main() -> None:
    """Until it is killed."""
    host, _, port = sys.argv[1].rpartition(":")
    service_s = float(sys.argv[2])
    server = await asyncio.start_server(lambda r, w: serve(r, w, service_s), host, int(port), backlog=512)
    os.write(1, b"ready\n")
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
