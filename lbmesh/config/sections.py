"""The tables that say what this node is: [node], [gossip], [forwarder], [[listener]], [admin], [log]."""

import ipaddress
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from lbmesh.config import values
from lbmesh.config.key_file import gossip_keys
from lbmesh.config.settings import AdminSettings, GossipSettings, ListenerSettings, LogSettings, NodeSettings
from lbmesh.config.table import Files, ReadFile, Table
from lbmesh.config.tls import read_listener_tls
from lbmesh.model.address import Address
from lbmesh.model.limits import OVERLOAD_MIN_S, ForwarderLimits
from lbmesh.model.listener import ListenerPolicy
from lbmesh.model.provenance import ProvenancePolicy

T = TypeVar("T")

STATE_DIR = "/var/lib/lbmesh"
DRAIN_TIMEOUT_S = 30.0
LAME_DUCK_S = 1.0
PORT_MAX = 65_535
ADMIN_BIND = Address("127.0.0.1", 9900)
WORKERS_MAX = 256
BODY_RATE_MAX = 1_000_000
CONNECTIONS_MAX = 1_000_000
"""The largest `connections_max`: Linux's default limit on open files of one process, fs.nr_open, is 2**20."""


def read_node(root: Table, host_name: str) -> NodeSettings | None:
    """[node]. Its name is by default the host's, if that is fit to be one."""
    table = root.table("node")
    if table is None:
        if "node" not in root.values:
            root.error('missing; write [node] and below it zone = "zone-a"', "node")
        return None
    name = table.optional("name", values.name, "")
    if "name" not in table.values:
        try:
            name = values.name(host_name)
        except ValueError:
            table.error('missing, and the host\'s name is not fit for it; write name = "lb-a1"', "name")
    zone = table.required("zone", values.name, '"zone-a"')
    state_dir = table.optional("state_dir", values.file_path, Path(STATE_DIR))
    drain_timeout_s = table.optional("drain_timeout", values.duration_s, DRAIN_TIMEOUT_S)
    lame_duck_s = table.optional("lame_duck", values.duration_or_none_s, LAME_DUCK_S)
    table.close()
    return None if zone is None else NodeSettings(name, zone, state_dir, drain_timeout_s, lame_duck_s)


def read_gossip(root: Table, read_file: ReadFile) -> GossipSettings | None:
    """[gossip]; None too for a node alone."""
    table = root.table("gossip")
    if table is None:
        return None
    bind = table.required("bind", values.bind_address, '"0.0.0.0:7946"')
    advertise = table.optional("advertise", values.reachable_address, bind)
    if "advertise" not in table.values and bind and ipaddress.ip_address(bind.host).is_unspecified:
        table.error(
            "missing, and bind is a wildcard; write the address that others reach, "
            'such as advertise = "10.0.1.10:7946"',
            "advertise",
        )
    heartbeat_bind = table.optional("heartbeat_bind", values.heartbeat_address, _next_port(bind))
    if bind and heartbeat_bind == bind and bind.port:
        table.error(f"{bind} is the gossip's own address; write another port", "heartbeat_bind")
    profile = table.optional("profile", values.gossip_profile, "fast")
    seeds = table.items("seeds", values.seed_address, (), '["10.0.2.10:7946"]')
    key_file = table.required("key_file", values.file_path, '"/etc/lbmesh/gossip.key"')
    keys = _from_file(table, "key_file", key_file, read_file, gossip_keys)
    table.close()
    if bind is None or advertise is None or key_file is None or keys is None:
        return None
    return GossipSettings(bind, advertise, seeds, key_file, keys, heartbeat_bind, profile)


def _next_port(bind: Address | None) -> Address | None:
    """The port after the gossip's, or the one before the last; any port if that is any."""
    if bind is None:
        return None
    step = 0 if bind.port == 0 else -1 if bind.port == PORT_MAX else 1
    return Address(bind.host, bind.port + step)


def read_forwarder(root: Table, cpu_count: int) -> tuple[int, ForwarderLimits, ProvenancePolicy]:
    """[forwarder]: the number of workers, one per core by default, what clients may do, and who is believed."""
    workers, limits = max(1, min(cpu_count, WORKERS_MAX)), ForwarderLimits()
    table = root.table("forwarder")
    if table is None:
        return workers, limits, ProvenancePolicy()
    workers = table.optional("workers", values.whole_number(1, WORKERS_MAX), workers)
    limits = ForwarderLimits(
        head_timeout_s=table.optional("head_timeout", values.duration_s, limits.head_timeout_s),
        keepalive_timeout_s=table.optional("keepalive_timeout", values.duration_s, limits.keepalive_timeout_s),
        connections_max=table.optional(
            "connections_max", values.whole_number(1, CONNECTIONS_MAX), limits.connections_max
        ),
        upstream_idle_s=table.optional("upstream_idle", values.duration_s, limits.upstream_idle_s),
        body_rate_min=table.optional("body_rate_min", values.whole_number(0, BODY_RATE_MAX), limits.body_rate_min),
        overload_s=table.optional("overload", _overload_s, limits.overload_s),
    )
    provenance = _read_provenance(table)
    table.close()
    return workers, limits, provenance


def _overload_s(value: object) -> float:
    return values.duration_or_none_s(value, f"{OVERLOAD_MIN_S * 1000:g}ms")


def _read_provenance(forwarder: Table) -> ProvenancePolicy:
    default = ProvenancePolicy()
    return ProvenancePolicy(
        trusted_proxies=forwarder.items("trusted_proxies", values.proxies_network, (), '["10.0.0.0/8"]'),
        trusted_field=forwarder.optional("trusted_field", values.trusted_field, default.trusted_field),
        forwarded=forwarder.items("forwarded", values.forwarded_field, default.forwarded, '["x-forwarded"]'),
    )


def read_listeners(root: Table, trusted_proxies: tuple[str, ...], files: Files) -> tuple[ListenerSettings, ...]:
    """[[listener]]: at least one, no address twice. `trusted_proxies`: those of [forwarder]."""
    tables = root.tables("listener")
    if root.values.get("listener", []) == []:
        root.error('missing; write [[listener]] and below it bind = "0.0.0.0:80"', "listener")
    listeners: list[ListenerSettings] = []
    first_lines: dict[Address, int] = {}
    for table in tables:
        bind = table.required("bind", values.bind_address, '"0.0.0.0:80"')
        policy = ListenerPolicy(
            proxy_protocol=_read_proxy_protocol(table, trusted_proxies), tls=read_listener_tls(table, files)
        )
        table.close()
        if bind is None:
            continue
        # With port 0 the kernel gives each a port of its own.
        if bind in first_lines and bind.port:
            table.error(f"{bind} is already bound in line {first_lines[bind]}; remove one", "bind")
        first_lines.setdefault(bind, table.line("bind"))
        listeners.append(ListenerSettings(bind, policy))
    return tuple(listeners)


def _read_proxy_protocol(listener: Table, trusted_proxies: tuple[str, ...]) -> tuple[str, ...]:
    """`proxy_protocol = true`: from the trusted proxies; or from networks of its own; false: no header is read."""
    key = "proxy_protocol"
    if not isinstance(listener.values.get(key), bool):
        return listener.items(key, values.network, (), '["10.0.0.0/8"], or true')
    listener.known.add(key)
    if not listener.values[key]:
        return ()
    if not trusted_proxies:
        message = 'nobody is trusted; write forwarder.trusted_proxies, or proxy_protocol = ["10.0.0.0/8"] here'
        listener.error(message, key, found=True)
    return trusted_proxies


def read_admin(root: Table, listeners: tuple[ListenerSettings, ...], read_file: ReadFile) -> AdminSettings | None:
    """[admin]; None when there is none, and then there is no API."""
    table = root.table("admin")
    if table is None:
        return None
    bind = table.optional("bind", values.bind_address, ADMIN_BIND)
    token_file = table.optional("token_file", values.file_path, None)
    token = _from_file(table, "token_file", token_file, read_file, values.admin_token)
    if "token_file" not in table.values and not bind.is_loopback:
        table.error('missing, and bind is not loopback; write token_file = "/etc/lbmesh/admin.token"', "token_file")
    drills = table.optional("drills", values.boolean, False)
    if drills and "token_file" not in table.values:
        message = (
            "true lets whoever asks here kill processes, so that they must say who they are; write token_file, too"
        )
        table.error(message, "drills", found=True)
    if bind.port and any(bind == each.bind for each in listeners):
        table.error(f"{bind} is a listener's address; write another", "bind")
    table.close()
    return AdminSettings(bind, token_file, token, drills)


def read_log(root: Table) -> LogSettings:
    """[log]."""
    table = root.table("log")
    if table is None:
        return LogSettings()
    access = table.optional("access", values.access_log, LogSettings().access)
    level = table.optional("level", values.log_level, LogSettings().level)
    table.close()
    return LogSettings(access, level)


def _from_file(table: Table, key: str, path: Path | None, read_file: ReadFile, parse: Callable[[str], T]) -> T | None:
    """What a secret's file holds; None after noting, without quoting it, what is wrong."""
    if path is None:
        return None
    try:
        return parse(read_file(path))
    except FileNotFoundError:
        name = shlex.quote(str(path))
        make = f"openssl rand -hex 32 > {name}; chmod 600 {name}"
        table.error(f"there is no file {path}; make it ({make}), or write another path", key)
    except OSError as failed:
        table.error(f"cannot read {path}: {failed.strerror or type(failed).__name__}", key)
    except ValueError as wrong:
        table.error(f"{path}: {wrong}", key)
    return None
