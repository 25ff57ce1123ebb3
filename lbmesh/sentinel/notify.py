"""The service manager's protocol, sd_notify(3): one datagram to the socket that NOTIFY_SOCKET names."""

import socket
from collections.abc import Mapping, Sequence

NOT_FOR_CHILDREN = (
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
    "LISTEN_FDS",
    "LISTEN_PID",
    "LISTEN_FDNAMES",
)
"""The service manager's words to the sentinel, which its children must not take for theirs."""


class ServiceManager:
    """Who started this node, if it wants to hear of it. Without one, every method does nothing.

    `watchdog_s`: feed the watchdog this often (half of what the manager allows); None when there is none.
    """

    def __init__(self, environment: Mapping[str, str], pid: int) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        self._socket: socket.socket | None = None
        if self._address.startswith(("/", "@")):
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.watchdog_s = _watchdog_s(environment, pid) if self._socket else None

    def notify(self, assignments: Sequence[str]) -> None:
        """Send these, such as "READY=1". A manager that does not listen loses them, and stops nothing."""
        if self._socket is None:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            self._socket.sendto("\n".join(assignments).encode(), address)
        except OSError:
            return

    def close(self) -> None:
        """Release the socket."""
        if self._socket is not None:
            self._socket.close()


def without_manager(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment for children."""
    return {name: value for name, value in environment.items() if name not in NOT_FOR_CHILDREN}


def _watchdog_s(environment: Mapping[str, str], pid: int) -> float | None:
    """sd_watchdog_enabled(3): WATCHDOG_PID, when it is there, says whom WATCHDOG_USEC is for."""
    allowed_us = environment.get("WATCHDOG_USEC", "")
    if not allowed_us.isdecimal() or int(allowed_us) == 0:
        return None
    if environment.get("WATCHDOG_PID", str(pid)) != str(pid):
        return None
    return int(allowed_us) / 1e6 / 2
