"""Runs a real sentinel with fake children: `python fake_node.py STATE_DIR WORKERS DRAIN_TIMEOUT_S LISTENER…`."""

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

from lbmesh.config.settings import ListenerSettings, NodeSettings, Settings
from lbmesh.control.processes import AgentOptions, ForwarderOptions, NameserverOptions
from lbmesh.model.address import parse_address
from lbmesh.sentinel.commands import ChildCommands
from lbmesh.sentinel.main import run

FAKE_CHILD = str(Path(__file__).with_name("fake_child.py"))


ROLES: dict[type, str] = {AgentOptions: "agent", ForwarderOptions: "forwarder", NameserverOptions: "nameserver"}


def fake_command(options: AgentOptions | ForwarderOptions | NameserverOptions) -> list[str]:
    role = ROLES[type(options)]
    return [sys.executable, FAKE_CHILD, role, json.dumps(asdict(options), default=str)]


def main() -> int:
    state_dir, workers, drain_timeout_s, *listeners = sys.argv[1:]
    settings = Settings(
        node=NodeSettings("node-1", "zone-a", Path(state_dir), float(drain_timeout_s), lame_duck_s=0.0),
        listeners=tuple(ListenerSettings(parse_address(listener, port_zero_allowed=True)) for listener in listeners),
        services=(),
        routes=(),
        workers=int(workers),
    )
    return run(settings, Path("lbmesh.toml"), ChildCommands(fake_command, fake_command, fake_command), dict(os.environ))


if __name__ == "__main__":
    raise SystemExit(main())
