"""The kernel's side of a front that EC2 leads here: the address is on an interface while it is."""

import errno
import os
import socket

from lbmesh.drivers.kernel.kernel import Kernel


class Device:
    """Puts addresses on interfaces, marked as ours."""

    def __init__(self) -> None:
        self._kernel = Kernel()

    def close(self) -> None:
        """Ask the kernel no more; addresses stay."""
        self._kernel.close()

    def put(self, address: str, device: str) -> str:
        """See to it that it is there; what is wrong, "" if nothing."""
        if problem := self._kernel.problem():
            return problem
        link = self._kernel.link(device)
        if link is None:
            return f'there is no interface {device}: write in options.device one that "ip link" lists'
        failed = self._kernel.add(link.index, address, 128 if ":" in address else 32)
        if failed == errno.EPERM:
            return "no address can be added: give the service CAP_NET_ADMIN (AmbientCapabilities= in its unit)"
        return f"{address} cannot be added to {device}: {os.strerror(failed).lower()}" if failed else ""

    def has(self, address: str) -> bool:
        """Is it there, as ours?"""
        return not self._kernel.problem() and any(one.is_ours for one in self._kernel.assigned(address))

    def take(self, address: str) -> None:
        """Take it away, if it is ours."""
        if not self._kernel.problem():
            for one in self._kernel.assigned(address):
                if one.is_ours:
                    self._kernel.delete(one)


def is_local(address: str) -> bool:
    """Has this machine the address? Who has it can bind to it."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as asking:
        try:
            asking.bind((address, 0))
        except OSError:
            return False
    return True
