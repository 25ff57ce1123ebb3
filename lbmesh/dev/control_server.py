"""The mesh's side of the control socket: one order a connection."""

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import trio

from lbmesh.dev.verbs import LINE_BYTES_MAX, Order, Reply, decode_order, encode_reply

ORDER_TIMEOUT_S = 2.0
"""An order is one short line, sent at once."""

Obey = Callable[[Order], Awaitable[Reply]]


async def serve_orders(path: Path, obey: Obey) -> None:
    """Take orders on this socket until cancelled. Orders are obeyed one after the other."""
    listening = trio.socket.socket(trio.socket.AF_UNIX)
    await listening.bind(str(path))
    listening.listen(8)
    one_at_a_time = trio.Lock()
    await trio.serve_listeners(partial(_take_order, obey, one_at_a_time), [trio.SocketListener(listening)])


async def _take_order(obey: Obey, one_at_a_time: trio.Lock, stream: trio.SocketStream) -> None:
    try:
        async with stream:
            with trio.fail_after(ORDER_TIMEOUT_S):
                line = await _read_line(stream)
            try:
                order = decode_order(line)
            except ValueError as error:
                reply = Reply(False, (f"{error}: is the other lbmesh of another release?",))
            else:
                async with one_at_a_time:
                    reply = await obey(order)
            await stream.send_all(encode_reply(reply))
    except (trio.BrokenResourceError, trio.TooSlowError):
        return  # whoever asked is gone, and what was asked is done


async def _read_line(stream: trio.SocketStream) -> bytes:
    line = b""
    while not line.endswith(b"\n") and len(line) < LINE_BYTES_MAX:
        if not (part := await stream.receive_some(LINE_BYTES_MAX)):
            break
        line += part
    return line
