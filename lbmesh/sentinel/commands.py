"""The command line each child is started with."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lbmesh.control.processes import AgentOptions, ForwarderOptions, NameserverOptions

_PROGRAM = (sys.executable, "-P", "-m", "lbmesh")
"""-P: a directory in which somebody happens to start a node must not provide its modules."""


@dataclass(frozen=True, slots=True)
class ChildCommands:
    """How to start the children: from their options to a command line."""

    agent: Callable[[AgentOptions], Sequence[str]]
    forwarder: Callable[[ForwarderOptions], Sequence[str]]
    nameserver: Callable[[NameserverOptions], Sequence[str]]


def agent_command(options: AgentOptions) -> list[str]:
    """This installation's agent; the verb `internal-agent` reads the same words back."""
    command = [
        *_PROGRAM,
        "internal-agent",
        *("-c", str(options.config_file)),
        *("--control-fd", str(options.control_fd)),
        *("--ticks-fd", str(options.ticks_fd)),
        *("--settings-fd", str(options.settings_fd)),
        *("--generation", str(options.generation)),
        *("--boot-epoch", str(options.boot_epoch)),
        *("--log-level", options.log_level),
    ]
    if options.admin_fd is not None:
        command += ["--admin-fd", str(options.admin_fd)]
    if options.gossip_fd is not None:
        command += ["--gossip-fd", str(options.gossip_fd)]
    if options.heartbeat_port is not None:
        command += ["--heartbeat-port", str(options.heartbeat_port), "--heartbeat-session", options.heartbeat_session]
    return command


def forwarder_command(options: ForwarderOptions) -> list[str]:
    """This installation's forwarder; the verb `internal-forwarder` reads the same words back."""
    command = [
        *_PROGRAM,
        "internal-forwarder",
        *("--worker", str(options.worker)),
        *("--control-fd", str(options.control_fd)),
        *("--ticks-fd", str(options.ticks_fd)),
        *("--access-log", options.access_log),
        *("--log-level", options.log_level),
    ]
    for descriptor in options.listen_fds:
        command += ["--listen-fd", str(descriptor)]
    return command


def nameserver_command(options: NameserverOptions) -> list[str]:
    """This installation's nameserver; the verb `internal-nameserver` reads the same words back."""
    command = [
        *_PROGRAM,
        "internal-nameserver",
        *("--control-fd", str(options.control_fd)),
        *("--ticks-fd", str(options.ticks_fd)),
        *("--settings-fd", str(options.settings_fd)),
        *("--log-level", options.log_level),
    ]
    for option, descriptors in (("--udp-fd", options.udp_fds), ("--tcp-fd", options.tcp_fds)):
        for descriptor in descriptors:
            command += [option, str(descriptor)]
    return command


INSTALLED = ChildCommands(agent_command, forwarder_command, nameserver_command)
