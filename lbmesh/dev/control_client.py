"""The other terminal's side: find the mesh, send one order, return its reply. Plain sockets, to be quick."""

import socket
from pathlib import Path

from lbmesh.dev.failure import CannotRunError
from lbmesh.dev.place import SOCKET, meshes_directory, running_meshes
from lbmesh.dev.verbs import LINE_BYTES_MAX, Order, Reply, Verb, decode_reply, encode_order

REPLY_TIMEOUT_S = 15.0
"""Starting a whole zone again takes a second or two."""


def send_order(verb: Verb, name: str, mesh: int | None) -> Reply:
    """Send it to the mesh with this process id, or to the only one there is. What goes wrong is a reply, too."""
    try:
        found = running_meshes()
    except CannotRunError as error:
        return Reply(False, (str(error),))
    chosen = _choose(found, mesh)
    if isinstance(chosen, Reply):
        return chosen
    try:
        return _exchange(chosen / SOCKET, Order(verb, name))
    except (OSError, ValueError) as error:
        return Reply(False, (f"the mesh in {chosen} does not answer: {error}. Is it just starting or ending?",))


def _choose(found: dict[int, Path], mesh: int | None) -> Path | Reply:
    known = ", ".join(map(str, sorted(found)))
    if not found:
        return Reply(False, (f"no `lbmesh dev` of yours runs (looked in {meshes_directory()}): start one first",))
    if mesh is not None:
        place = found.get(mesh)
        return place or Reply(False, (f"no `lbmesh dev` has the process id {mesh}: running are {known}",))
    if len(found) > 1:
        return Reply(False, (f"{len(found)} meshes run: say which with --mesh PID, one of {known}",))
    return next(iter(found.values()))


def _exchange(path: Path, order: Order) -> Reply:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(REPLY_TIMEOUT_S)
        connection.connect(str(path))
        connection.sendall(encode_order(order))
        answer = b""
        while not answer.endswith(b"\n") and len(answer) < LINE_BYTES_MAX:
            if not (part := connection.recv(LINE_BYTES_MAX)):
                break
            answer += part
        return decode_reply(answer)
