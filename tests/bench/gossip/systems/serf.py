"""HashiCorp's serf, one agent a node, in two of its three timing profiles."""

import base64
import re
import shutil
import subprocess
from collections.abc import Sequence

from tests.bench.gossip.sightings import Seen
from tests.bench.gossip.systems.base import PORT, Host, Said

# serf's own line, written at once; the agent's "Received event" comes up to 3 s later, as it gathers events.
_LINE = re.compile(rb"serf: EventMember(Join|Failed|Leave): (\S+) ")
_STATES = {b"Join": Seen.ALIVE, b"Failed": Seen.FAILED, b"Leave": Seen.LEFT}


class Serf:
    """Defaults but for the profile, the key and a rejoin that is tried each second."""

    start_gap_s = 0.05

    def __init__(self, profile: str) -> None:
        self._profile = profile
        self.name = f"serf-{profile}"
        self.title = f"serf {profile}"

    def missing(self) -> str | None:
        return None if shutil.which("serf") else "apt-get install serf"

    def version(self) -> str:
        done = subprocess.run(("serf", "version"), capture_output=True, text=True, check=True)
        return done.stdout.split("\n", 1)[0].strip().removeprefix("Serf v")

    def command(self, host: Host) -> Sequence[str]:
        return (
            *("serf", "agent", f"-node={host.name}", f"-bind={host.address}:{PORT}", f"-profile={self._profile}"),
            *(f"-encrypt={base64.b64encode(host.key).decode()}", "-log-level=info", "-retry-interval=1s"),
            *(f"-retry-join={seed}" for seed in host.seeds),
        )

    def read(self, line: bytes) -> Said | None:
        found = _LINE.search(line)
        return Said(found[2].decode(errors="replace"), _STATES[found[1]]) if found else None

    def role(self, command_line: str) -> str:  # noqa: ARG002  # one process is all there is
        return "agent"
