"""The words of sd_notify(3), heard by a real datagram socket."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from lbmesh.sentinel.notify import ServiceManager, without_manager


@pytest.fixture(params=["path", "abstract"])
def manager_socket(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    """A service manager's socket, and how NOTIFY_SOCKET names it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        # An empty name has the kernel choose an abstract one.
        listening.bind(str(tmp_path / "notify") if request.param == "path" else "")
        name = listening.getsockname()
        yield listening, name if isinstance(name, str) else "@" + name[1:].decode()


def test_assignments_go_in_one_datagram(manager_socket: tuple[socket.socket, str]) -> None:
    listening, name = manager_socket
    manager = ServiceManager({"NOTIFY_SOCKET": name}, 77)
    manager.notify(("READY=1", "STATUS=fine"))
    assert listening.recv(100) == b"READY=1\nSTATUS=fine"
    manager.close()


@pytest.mark.parametrize("environment", [{}, {"NOTIFY_SOCKET": "relative"}, {"NOTIFY_SOCKET": "/no/such/socket"}])
def test_without_a_manager_that_listens_nothing_happens(environment: dict[str, str]) -> None:
    manager = ServiceManager(environment, 77)
    manager.notify(("READY=1",))
    manager.close()


@pytest.mark.parametrize(
    ("environment", "watchdog_s"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "3000000"}, 1.5),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "77"}, 1.5),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "78"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "often"}, None),
    ],
)
def test_the_watchdog_is_fed_in_half_the_time_allowed(environment: dict[str, str], watchdog_s: float | None) -> None:
    manager = ServiceManager({"NOTIFY_SOCKET": "@nobody", **environment}, 77)
    assert manager.watchdog_s == watchdog_s
    manager.close()


def test_children_do_not_get_the_managers_words() -> None:
    environment = {"PATH": "/bin", "NOTIFY_SOCKET": "@x", "LISTEN_PID": "77", "LISTEN_FDS": "1"}
    assert without_manager(environment) == {"PATH": "/bin"}
