"""A host's own view of the machine: its mount and UTS namespaces, held by descriptors of the lab's first process."""

import os

import trio

from lbmesh_chaos.lab import files, network, paths
from lbmesh_chaos.lab.processes import CommandError, Processes
from lbmesh_chaos.model.world import Host, World

_MADE = b"made\n"
_SAID_BYTES_MAX = 4096


async def make_namespaces(host: Host, world: World, processes: Processes) -> None:
    """Make them, in the host's network namespace, which is there. Raises CommandError.

    A shell makes them, says so, and waits until they are held. (`unshare --mount=FILE`, which would bind them to files,
    fails now and then with EINVAL when several run at a time: util-linux 2.38.)
    """
    heard, says = os.pipe()
    waits, held = os.pipe()
    try:
        command = ("nsenter", f"--net={paths.network(host.name)}", "unshare", "--mount", "--uts", "--")
        script = "\n".join((*_script(host, world), "echo made", "read -r _ || :"))
        child = processes.start((*command, "sh", "-euc", script), stdin=waits, stdout=says, stderr=says)
    finally:
        os.close(says)
        os.close(waits)
    try:
        said = b""
        async with trio.lowlevel.FdStream(heard) as hearing:
            while not said.endswith(_MADE):
                more = await hearing.receive_some(_SAID_BYTES_MAX)
                if not more:
                    raise CommandError(f"the namespaces of {host.name}: {said.decode(errors='replace').strip()}")
                said += more
        for kind in ("mnt", "uts"):
            # Never closed: it ends with this process, and with it the namespace.
            descriptor = os.open(f"/proc/{child.pid}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC)
            (paths.NAMESPACES / f"{host.name}.{kind}").symlink_to(f"/proc/1/fd/{descriptor}")
    finally:
        os.close(held)
    await child.wait()


def _script(host: Host, world: World) -> list[str]:
    lines = [f"echo {value} >/proc/sys/{key}" for key, value in network.settings(host)]
    if host in world.hosts:
        for file in files.OVERLAID:
            own = paths.etc(host.name) / os.path.basename(file)
            lines.append(f"mount --bind {own} {os.path.realpath(file)}")
    return lines
