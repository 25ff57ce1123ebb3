"""The composition root: each process's parts, put together. Imports are inside, as each process needs few."""

from pathlib import Path

from lbmesh.control.processes import AgentOptions, ForwarderOptions, NameserverOptions


def run_node(config_file: Path) -> int:
    """`lbmesh run`: the sentinel, until a signal ends the node. Its codes: `sentinel.decisions.ExitCode`.

    Must stay light: the sentinel runs for years, and starts the others within milliseconds.
    """
    import os
    import sys

    from lbmesh.config.load import load_settings
    from lbmesh.config.settings import Settings
    from lbmesh.sentinel.commands import INSTALLED
    from lbmesh.sentinel.decisions import ExitCode
    from lbmesh.sentinel.main import run

    settings = load_settings(config_file)
    if not isinstance(settings, Settings):
        print(*settings, sep="\n", file=sys.stderr)
        return ExitCode.CANNOT_START
    return run(settings, config_file.absolute(), INSTALLED, dict(os.environ))


def run_agent(options: AgentOptions) -> int:
    """The agent's process."""
    from lbmesh.observe.child import end_with_sentinel

    end_with_sentinel(options.control_fd)
    from lbmesh.agent.main import run
    from lbmesh.observe.logging import configure_logging

    configure_logging("agent", options.log_level)
    return run(options)


def run_forwarder(options: ForwarderOptions) -> int:
    """One forwarder's process."""
    from lbmesh.observe.child import end_with_sentinel

    end_with_sentinel(options.control_fd)
    from lbmesh.forwarder.main import run
    from lbmesh.observe.logging import configure_logging

    configure_logging(f"forwarder-{options.worker}", options.log_level)
    return run(options)


def run_nameserver(options: NameserverOptions) -> int:
    """The nameserver's process."""
    from lbmesh.observe.child import end_with_sentinel

    end_with_sentinel(options.control_fd)
    from lbmesh.nameserver.main import run
    from lbmesh.observe.logging import configure_logging

    configure_logging("nameserver", options.log_level)
    return run(options)
