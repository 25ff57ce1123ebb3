"""lbmesh nodes: `lbmesh run` with one forwarder, one service, no probes and no requests.

Without the fast heartbeat, which serf has nothing to compare with and a benchmark of its own measures.
"""

import json
import os
import sys
from collections.abc import Sequence
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

from tests.bench.gossip.sightings import Seen
from tests.bench.gossip.systems.base import PORT, Host, Said

_CONFIG = """\
[node]
name = "{host.name}"
zone = "{host.zone}"
state_dir = "{host.directory}/state"

[gossip]
bind = "{host.address}:{port}"
heartbeat_bind = "off"
seeds = [{seeds}]
key_file = "{host.directory}/gossip.key"

[forwarder]
workers = 1

[[listener]]
bind = "{host.address}:8080"

[[service]]
name = "app"
hosts = ["*"]
health = false
replicas = [{{ address = "{host.address}:9000", zone = "{host.zone}" }}]

[admin]
bind = "127.0.0.1:9900"

[log]
access = "off"
"""

_STATES = {"alive": Seen.ALIVE, "impaired": Seen.IMPAIRED, "down": Seen.FAILED, "left": Seen.LEFT}
_ROLES = {"internal-agent": "agent", "internal-forwarder": "forwarder"}


class Lbmesh:
    """Its fast profile, which is its only one."""

    name = "lbmesh"
    title = "lbmesh"
    start_gap_s = 0.3

    def missing(self) -> str | None:
        return None if _program().exists() else "make setup"

    def version(self) -> str:
        return f"{version('lbmesh')} on Python {sys.version.split()[0]}"

    def command(self, host: Host) -> Sequence[str]:
        (host.directory / "state").mkdir(exist_ok=True)
        key_file = host.directory / "gossip.key"
        key_file.touch(mode=0o600)
        key_file.write_text(host.key.hex() + "\n")
        config = host.directory / "lbmesh.toml"
        seeds = ", ".join(f'"{seed}:{PORT}"' for seed in host.seeds)
        config.write_text(_CONFIG.format(host=host, port=PORT, seeds=seeds))
        return (os.fspath(_program()), "run", "-c", os.fspath(config))

    def read(self, line: bytes) -> Said | None:
        # Most lines are about something else, and reading JSON is the dear part.
        if b'"member"' not in line:
            return None
        try:
            fields = json.loads(line)
        except ValueError:
            return None
        if fields.get("event") != "member":
            return None
        stamped = datetime.fromisoformat(fields["time"]).timestamp()
        return Said(fields["subject"], _STATES[fields["change"].rpartition(" to ")[2]], stamped)

    def role(self, command_line: str) -> str:
        return next((role for word, role in _ROLES.items() if word in command_line), "sentinel")


def _program() -> Path:
    return Path(sys.executable).with_name("lbmesh")
