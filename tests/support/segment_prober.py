"""What a client of a segment sees of a front, as a program: `http ADDRESS` or `arp ADDRESS MAC OWN`, until its standard
input ends; then one JSON list. Times are of the machine's monotonic clock, which all namespaces share.

http: a fresh connection every 10 ms, whatever came of those before: [begun, ended, answer], the answer "" for none
within 1.3 s or an error. arp: who says that it has the address, asked every 10 ms: [heard, hardware address].
"""

import json
import sys
import time

import trio

from lbmesh.drivers.vip import frames

EVERY_S = 0.01
PATIENCE_S = 1.3
"""A lost SYN is sent again after a second."""


async def ask(address: str, seen: list[tuple[float, float, str]]) -> None:
    """One request."""
    begun, answer = time.monotonic(), ""
    with trio.move_on_after(PATIENCE_S):
        try:
            stream = await trio.open_tcp_stream(address, 80)
            async with stream:
                await stream.send_all(b"GET / HTTP/1.1\r\nHost: front\r\nConnection: close\r\n\r\n")
                said = b"".join([part async for part in stream])
            head, _, body = said.partition(b"\r\n\r\n")
            answer = body.decode() if head.startswith(b"HTTP/1.1 200") else ""
        except (OSError, trio.BrokenResourceError):
            answer = ""
    seen.append((begun, time.monotonic(), answer))


async def requests(address: str, seen: list[tuple[float, float, str]]) -> None:
    """Open loop."""
    async with trio.open_nursery() as nursery:
        due_s = trio.current_time()
        while True:
            nursery.start_soon(ask, address, seen)
            due_s += EVERY_S
            await trio.sleep_until(due_s)


async def neighbours(address: str, mac: bytes, own: str, seen: list[tuple[float, str]]) -> None:
    """Ask as a machine with an address of its own, so that nobody takes it for a probe of a newcomer."""
    link = trio.socket.socket(trio.socket.AF_PACKET, trio.socket.SOCK_RAW, trio.socket.htons(frames.ETHER_ARP))
    await link.bind(("eth0", frames.ETHER_ARP))
    question = bytearray(frames.probe(address, mac))
    question[28:32] = bytes(map(int, own.split(".")))

    async def hear() -> None:
        while True:
            frame, sender = await link.recvfrom(2048)
            claim = frames.claim_of(frame, address)
            # A reply; announcements are requests.
            if claim is not None and sender[2] != trio.socket.PACKET_OUTGOING and frame[20:22] == b"\0\2":
                seen.append((time.monotonic(), claim.mac_text))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(hear)
        while True:
            await link.send(question)
            await trio.sleep(EVERY_S)


async def main() -> None:
    """Look until told to stop."""
    kind, address, *rest = sys.argv[1:]
    seen: list[tuple[float, float, str]] = []
    heard: list[tuple[float, str]] = []
    async with trio.open_nursery() as nursery:
        if kind == "http":
            nursery.start_soon(requests, address, seen)
        else:
            nursery.start_soon(neighbours, address, bytes.fromhex(rest[0].replace(":", "")), rest[1], heard)
        print("looking", flush=True)
        await trio.to_thread.run_sync(sys.stdin.read)
        nursery.cancel_scope.cancel()
    print(json.dumps(seen or heard))


trio.run(main)
