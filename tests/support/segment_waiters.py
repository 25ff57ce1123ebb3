"""Clients of a front that wait, as a program: `ADDRESS WAITING IDLE`, until its standard input ends; then a JSON list.

WAITING connections have asked for what takes half a minute, and IDLE ones have had an answer and stay open. Then
another asks for what takes LATE_S each 10 ms. Of each: [kind, begun, ended, how]. kind: waiting, idle, late. begun:
when it began, on the machine's monotonic clock. ended: None for one that still waits. how: reset, closed, answered,
refused, or "" while it waits.
"""

import json
import sys
import time

import trio

EVERY_S = 0.01
LATE_S = 0.8
_PATHS = {"waiting": "/after/30", "idle": "/", "late": f"/after/{LATE_S}"}

Seen = list[float | str | None]


async def wait(address: str, kind: str, seen: list[Seen], sent: trio.Event | None = None) -> None:
    """One connection, to its end."""
    mine: Seen = [kind, time.monotonic(), None, ""]
    seen.append(mine)
    try:
        stream = await trio.open_tcp_stream(address, 80)
        await stream.send_all(f"GET {_PATHS[kind]} HTTP/1.1\r\nHost: front\r\n\r\n".encode())
        if kind == "idle":
            await stream.receive_some()
        if sent is not None:
            sent.set()
        mine[3] = "answered" if await stream.receive_some() else "closed"
    except trio.BrokenResourceError as error:
        mine[3] = "reset" if isinstance(error.__cause__, ConnectionResetError) else "closed"
    except OSError:
        mine[3] = "refused"
    mine[2] = time.monotonic()


async def main() -> None:
    """Wait until told to stop."""
    address, waiting, idle = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    seen: list[Seen] = []
    async with trio.open_nursery() as nursery:
        for number in range(waiting + idle):
            sent = trio.Event()
            nursery.start_soon(wait, address, "waiting" if number < waiting else "idle", seen, sent)
            await sent.wait()
        print("looking", flush=True)
        nursery.start_soon(late, address, nursery, seen)
        await trio.to_thread.run_sync(sys.stdin.read)
        nursery.cancel_scope.cancel()
    print(json.dumps(seen))


async def late(address: str, nursery: trio.Nursery, seen: list[Seen]) -> None:
    """Open loop."""
    due_s = trio.current_time()
    while True:
        nursery.start_soon(wait, address, "late", seen)
        due_s += EVERY_S
        await trio.sleep_until(due_s)


if __name__ == "__main__":
    trio.run(main)
