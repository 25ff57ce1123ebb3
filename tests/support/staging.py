"""Three real nodes that let themselves be drilled, and the files of a drill at them."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from tests.support.nodes import Node, running_mesh
from tests.support.origins import Behaviour, answering, running_origin

TOKEN = "0123456789abcdef"
DRILL = (sys.executable, "-P", "-m", "lbmesh", "drill")


class Staging:
    """Three nodes, and the files of a drill at them."""

    def __init__(self, directory: Path, nodes: tuple[Node, ...], replica: str) -> None:
        self.directory = directory
        self.nodes = nodes
        self.list = directory / "staging.toml"
        able = '["kill agent", "kill forwarder", "freeze forwarder", "freeze agent", "reload"]'
        self.list.write_text(
            'name = "staging"\n[safety]\nnodes_max_share = 0.34\nat_most_max = "2m"\n'
            + "".join(
                f'[[node]]\nname = "{one.name}"\nzone = "{one.zone}"\nadmin = "{one.admin_address}"\n'
                f'token_file = "{directory}/token"\nfaults = {able}\n'
                for one in nodes
            )
            + f'[[replica]]\nname = "app"\nzone = "zone-a"\naddress = "{replica}"\n'
        )

    def experiment(self, *method: dict[str, Any], **extension: Any) -> Path:
        """`extension`: further keys of ours, as load and marks."""
        probe = activity("mesh_is_whole", "probes", within="60s")
        whole = {
            "title": "a drill",
            "description": "at real nodes",
            "extensions": [{"name": "lbmesh", "world": "three-zones", "marks": {"agree_s": None}, **extension}],
            "controls": [{"name": "lbmesh", "provider": {"type": "python", "module": "lbmesh_chaos.toolkit.control"}}],
            "steady-state-hypothesis": {"title": "all is well", "probes": [{**probe, "tolerance": True}]},
            "method": list(method),
        }
        file = self.directory / "experiment.yaml"
        file.write_text(yaml.safe_dump(whole))
        return file

    def drill(
        self, *method: dict[str, Any], yes: str = "staging", words: Sequence[str] = (), **extension: Any
    ) -> "subprocess.CompletedProcess[str]":
        """`words`: further ones of its command line."""
        aimed = ("--target", str(self.list), "--yes", yes, "--json", "--quiet", *words)
        return subprocess.run(
            [*DRILL, str(self.experiment(*method, **extension)), *aimed],
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )

    def begun(self, *method: dict[str, Any], words: Sequence[str] = (), **extension: Any) -> "subprocess.Popen[bytes]":
        """As a shell begins what is to run in the background: with SIGINT ignored."""
        aimed = ("--target", str(self.list), "--yes", "staging", "--quiet", *words)
        background = ("sh", "-c", 'trap "" INT; exec "$@"', "sh")
        return subprocess.Popen(
            [*background, *DRILL, str(self.experiment(*method, **extension)), *aimed],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    def pids(self) -> dict[str, int]:
        return {f"{one.name} {child}": one.child_pid(child) for one in self.nodes for child in ("agent", "forwarder-0")}


def activity(function: str, module: str = "actions", pause_s: float = 0.0, **arguments: Any) -> dict[str, Any]:
    return {
        "type": "action" if module == "actions" else "probe",
        "name": function,
        "provider": {
            "type": "python",
            "module": f"lbmesh_chaos.toolkit.{module}",
            "func": function,
            "arguments": arguments,
        },
        "pauses": {"after": pause_s},
    }


@contextmanager
def running_staging(directory: Path, behaviour: Behaviour | None = None) -> Iterator[Staging]:
    """They end with the block. `behaviour`: of their one replica."""
    token = directory / "token"
    token.write_text(TOKEN + "\n")
    token.chmod(0o600)
    lines = f'token_file = "{token}"\ndrills = true'
    with (
        running_origin(behaviour or answering()) as origin,
        running_mesh(directory, [(origin.address, "zone-a")], token=TOKEN, admin_lines=lines) as nodes,
    ):
        yield Staging(directory, nodes, str(origin.address))
