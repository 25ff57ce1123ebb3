"""The files of a host: its view of /etc, and the configuration of what runs on it. Pure."""

import json
from itertools import chain

from lbmesh.model.address import Address
from lbmesh_chaos.lab import paths
from lbmesh_chaos.model.world import (
    ADMIN_PORT,
    GATEWAY_PORT,
    GOSSIP_PORT,
    Host,
    Role,
    World,
)

_RESOLVERS_MAX = 3
"""What glibc reads of resolv.conf (MAXNS)."""

OVERLAID = ("/etc/resolv.conf", "/etc/hosts", "/etc/hostname")
"""The machine's files that each host has of its own."""
GOSSIP_KEY = "gossip.key"

_BALANCER = """\
# Made from the lab's world.

[node]
name = "{name}"
zone = "{zone}"
state_dir = "{state}"
drain_timeout = "5s"

[gossip]
bind = "{gossip}"
{seeds}key_file = "{key_file}"

[forwarder]
workers = 1

[[listener]]
bind = "{front}"

[[service]]
name = "{service}"
hosts = ["*"]
health = {{ path = "/healthz", interval = "500ms", timeout = "500ms" }}
outliers = {{ ejection = "3s" }}
replicas = [
{replicas}
]

[admin]
bind = "127.0.0.1:{admin_port}"

[log]
access = "off"
"""


def overlay(host: Host, world: World) -> dict[str, str]:
    """Files by their path, which lie over the machine's own in what the host's programs see."""
    texts = (
        resolv_conf(host, world),
        f"127.0.0.1 localhost\n::1 localhost\n{host.address} {host.name}\n",
        f"{host.name}\n",
    )
    return dict(zip(OVERLAID, texts, strict=True))


def resolv_conf(host: Host, world: World) -> str:
    """The zone's own resolvers first, those of other zones for when they are silent."""
    own = world.in_zone(host.zone, Role.RESOLVER)
    others = (one for one in world.with_role(Role.RESOLVER) if one.zone != host.zone)
    servers = [one.address for one in chain(own, others)][:_RESOLVERS_MAX]
    lines = (f"nameserver {address}" for address in servers or ["127.0.0.1"])
    return "\n".join([*lines, "options timeout:1 attempts:2", ""])


def names(world: World) -> str:
    """What the resolvers know: names, without a dot at their end, to addresses."""
    domain = world.service.host.partition(".")[2]
    known = {f"{one.name}.{domain}": [one.address] for one in world.hosts}
    known[world.service.host] = [one.address for one in world.with_role(Role.BALANCER)]
    return json.dumps(known, indent=1)


def balancer_config(host: Host, world: World) -> str:
    """The configuration of `lbmesh run` on a balancer's host."""
    seeds = [f'"{Address(one.address, GOSSIP_PORT)}"' for one in world.with_role(Role.BALANCER) if one != host]
    replicas = world.with_role(Role.REPLICA)
    return _BALANCER.format(
        name=host.name,
        zone=host.zone,
        state=paths.state(host.name),
        gossip=Address(host.address, GOSSIP_PORT),
        seeds=f"seeds = [{', '.join(seeds)}]\n" if seeds else "",
        key_file=paths.etc(host.name) / GOSSIP_KEY,
        front=Address("::" if world.ipv6 else "0.0.0.0", GATEWAY_PORT),
        service=world.service.name,
        replicas="\n".join(map(_replica, replicas)),
        admin_port=ADMIN_PORT,
    )


def _replica(host: Host) -> str:
    return f'  {{ address = "{host.served_at}", zone = "{host.zone}" }},'
