"""The configuration file of each balancer of the world: a real one, as an operator would write it."""

import json
from pathlib import Path

from lbmesh.dev.world import SERVICE, Balancer, World

_TEMPLATE = """\
# Made by `lbmesh dev`; gone when it ends.

[node]
name = "{name}"
zone = "{zone}"
state_dir = {state_dir}
lame_duck = "0s"
drain_timeout = "2s"

[gossip]
bind = "{gossip}"
heartbeat_bind = "{gossip_host}:0"
seeds = [{seeds}]
key_file = {key_file}

[forwarder]
workers = 1

[[listener]]
bind = "{listen}"

[[service]]
name = "{service}"
hosts = ["*"]
timeouts = {{ connect = "250ms", response = "2s", idle = "10s" }}
health = {{ path = "/healthz", interval = "500ms", timeout = "250ms", fall = 2, rise = 1 }}
replicas = [
{replicas}
]

[admin]
bind = "{admin}"

[log]
access = {access_log}
"""


def balancer_config(balancer: Balancer, world: World, directory: Path) -> str:
    """The TOML text. `directory` is the mesh's own; the key file is expected there, see `key_file`."""
    others = [one for one in world.balancers if one != balancer]
    return _TEMPLATE.format(
        name=balancer.name,
        zone=balancer.zone,
        state_dir=_text(directory / f"{balancer.name}.state"),
        gossip=balancer.gossip,
        gossip_host=balancer.gossip.host,
        seeds=", ".join(f'"{one.gossip}"' for one in others),
        key_file=_text(directory / key_file(balancer)),
        listen=balancer.address,
        service=SERVICE,
        replicas="\n".join(f'  {{ address = "{one.address}", zone = "{one.zone}" }},' for one in world.replicas),
        admin=balancer.admin,
        access_log=_text(directory / f"{balancer.name}.access.log"),
    )


def key_file(balancer: Balancer) -> str:
    """In the mesh's directory, mode 0600. Each balancer has its own, for a rotation writes to it."""
    return f"{balancer.name}.gossip.key"


def write_key_files(world: World, directory: Path, key: bytes) -> None:
    """Give all balancers the same key of 32 bytes."""
    for balancer in world.balancers:
        path = directory / key_file(balancer)
        path.touch(mode=0o600)
        path.write_text(f"{key.hex()}\n")


def _text(path: Path) -> str:
    # A JSON string is a TOML basic string, whatever a path may hold.
    return json.dumps(str(path))
