"""A world file's text to a world, or every error in it with its line. Pure."""

import re
from collections.abc import Iterable

from lbmesh.config.errors import ConfigError
from lbmesh.config.parse import read_toml
from lbmesh.config.table import Report, Table, in_order
from lbmesh.config.values import boolean
from lbmesh_chaos.model.world import (
    BACKBONE,
    BRIDGE,
    HOSTS_PER_ROLE_MAX,
    NAME_CHARS_MAX,
    SEGMENTS_MAX,
    ZONES_MAX,
    Attachment,
    Host,
    Program,
    Role,
    Segment,
    Service,
    World,
    Zone,
    numbered,
)

COMMAND_WORDS_MAX = 64
PROGRAMS_MAX = 16
"""Of one host."""

_NAME = re.compile(rf"[a-z0-9](?:[a-z0-9-]{{0,{NAME_CHARS_MAX - 1}}})\Z")
_DNS_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62})(?:\.[a-z0-9](?:[a-z0-9-]{0,62}))+\Z")
_SEGMENT_CHARS_MAX = NAME_CHARS_MAX - len("segment-")
_TAKEN = {BACKBONE, BRIDGE, "lo", "localhost"}
_ROLES = {
    "balancers": (Role.BALANCER, 1),
    "replicas": (Role.REPLICA, 2),
    "clients": (Role.CLIENT, 3),
    "resolvers": (Role.RESOLVER, 4),
}
"""A zone's keys: what its hosts are for, and the third number of their addresses."""
_OTHERS = 5
_BY_ROLE = {Role.BALANCER: "lbmesh", Role.REPLICA: "origin", Role.RESOLVER: "dns"}


def parse_world(text: str, *, file: str) -> World | tuple[ConfigError, ...]:
    """The world in `text`, or all its errors in the order of their lines. `file` names the text in errors."""
    root = read_toml(text, file)
    if isinstance(root, ConfigError):
        return (root,)
    return _Reader(root).read()


class _Reader:
    """Reads one file. `hosts`: those found so far, in their order; `taken`: every name, and who has it."""

    def __init__(self, root: Table) -> None:
        self.root = root
        self.ipv6 = False
        self.hosts: dict[str, Host] = {}
        self.zones: dict[str, Zone] = {}
        self.taken: dict[str, str] = dict.fromkeys(_TAKEN, "the lab itself")

    def read(self) -> World | tuple[ConfigError, ...]:
        name = self.root.required("name", valid_name, '"three-zones"')
        self.ipv6 = self.root.optional("ipv6", boolean, False)
        service = self._service()
        self._zones()
        self._others()
        self._programs()
        segments = self._segments()
        clocks = self._clocks()
        roles = {host.role for host in self.hosts.values()}
        if Role.BALANCER in roles and Role.REPLICA not in roles:
            self.root.error('no zone has replicas for the balancers; write replicas = ["app-a1"] into one', "zone")
        self.root.close()
        report: Report = self.root.report
        if report.errors or name is None:
            return in_order(report.errors)
        return World(name, tuple(self.zones.values()), tuple(self.hosts.values()), segments, service, self.ipv6, clocks)

    def _service(self) -> Service:
        default = Service()
        table = self.root.table("service")
        if table is None:
            return default
        name = table.optional("name", valid_name, default.name)
        host = table.optional("host", _dns_name, default.host)
        table.close()
        return Service(name, host)

    def _zones(self) -> None:
        tables = self.root.tables("zone", "name")
        if not tables and "zone" not in self.root.values:
            self.root.error('missing; write at least one [[zone]], with name = "zone-a" and its hosts', "zone")
        if len(tables) > ZONES_MAX:
            self.root.error(f"more than {ZONES_MAX} zones, and their addresses are 10.1 to 10.{ZONES_MAX}", "zone")
            return
        for number, table in enumerate(tables, start=1):
            name = table.required("name", valid_name, '"zone-a"')
            if name is not None and self._takes(table, "name", name, f"zone {name}"):
                self.zones[name] = Zone(name, number, self.ipv6)
            for key, (role, third) in _ROLES.items():
                names = table.items(key, valid_name, (), f'["{_example(role)}"]')
                self._add(table, key, names, name or "", role, (number, third))
            table.close()

    def _add(
        self, table: Table, key: str, names: tuple[str, ...], zone: str, role: Role, place: tuple[int, int]
    ) -> None:
        if len(names) > HOSTS_PER_ROLE_MAX:
            table.error(f"more than {HOSTS_PER_ROLE_MAX} in one zone; write fewer, or a further zone", key)
            return
        for last, name in enumerate(names, start=1):
            if self._takes(table, key, name, f"a {role} of {zone}"):
                self.hosts[name] = Host(name, zone, role, numbered(*place, last, ipv6=self.ipv6))

    def _others(self) -> None:
        counts: dict[str, int] = {}
        for table in self.root.tables("host", "name"):
            name = table.required("name", valid_name, '"monitor"')
            zone_name = table.required("zone", valid_name, '"zone-a"')
            table.close()
            if name is None or zone_name is None:
                continue
            zone = self.zones.get(zone_name)
            if zone is None:
                table.error(_not_among("zone", self.zones), "zone", found=zone_name)
            elif self._takes(table, "name", name, f"a host of {zone_name}"):
                counts[zone_name] = last = counts.get(zone_name, 0) + 1
                if last > HOSTS_PER_ROLE_MAX:
                    table.error(f"more than {HOSTS_PER_ROLE_MAX} in one zone; write a further zone")
                address = numbered(zone.number, _OTHERS, last, ipv6=self.ipv6)
                self.hosts[name] = Host(name, zone_name, Role.OTHER, address)

    def _programs(self) -> None:
        for table in self.root.tables("program", "name"):
            name = table.required("name", valid_name, '"bird"')
            host_name = table.required("host", valid_name, '"lb-a1"')
            command = table.items("command", _word, (), '["bird", "-f"]')
            if "command" not in table.values:
                table.error('missing; write command = ["bird", "-f"]', "command")
            if len(command) > COMMAND_WORDS_MAX:
                table.error(f"more than {COMMAND_WORDS_MAX} words; write a script", "command")
            table.close()
            if name is None or host_name is None:
                continue
            host = self.hosts.get(host_name)
            if host is None:
                table.error(_not_among("host", self.hosts), "host", found=host_name)
            elif name == _BY_ROLE.get(host.role) or name in (one.name for one in host.programs):
                table.error(f"{host_name} has a program of this name; write another", "name", found=name)
            elif len(host.programs) == PROGRAMS_MAX:
                table.error(f"more than {PROGRAMS_MAX} programs on {host_name}; write a further host")
            else:
                self.hosts[host_name] = _with(host, program=Program(name, command))

    def _segments(self) -> tuple[Segment, ...]:
        segments: list[Segment] = []
        tables = self.root.tables("segment", "name")
        if len(tables) > SEGMENTS_MAX:
            self.root.error(f"more than {SEGMENTS_MAX} segments; write fewer", "segment")
            return ()
        for number, table in enumerate(tables, start=ZONES_MAX + 1):
            name = table.required("name", _segment_name, '"vips"')
            hosts = table.items("hosts", valid_name, (), '["lb-a1", "lb-b1"]')
            if "hosts" not in table.values:
                table.error('missing; write hosts = ["lb-a1", "lb-b1"]', "hosts")
            table.close()
            if name is None or not self._takes(table, "name", f"segment-{name}", f"segment {name}"):
                continue
            segments.append(Segment(name, number, hosts))
            for index, host_name in enumerate(hosts):
                host = self.hosts.get(host_name)
                if host is None:
                    table.error(_not_among("host", self.hosts), "hosts", index, found=host_name)
                elif host_name in hosts[:index]:
                    table.error("is there twice; remove one", "hosts", index, found=host_name)
                else:
                    interface = f"eth{len(host.attachments) + 1}"
                    attachment = Attachment(name, interface, numbered(number, 0, index + 1, ipv6=self.ipv6))
                    self.hosts[host_name] = _with(host, attachment=attachment)
        return tuple(segments)

    def _clocks(self) -> tuple[str, ...]:
        clocks = self.root.items("clocks", valid_name, (), '["lb-a1"]')
        for index, name in enumerate(clocks):
            if name not in self.hosts:
                self.root.error(_not_among("host", self.hosts), "clocks", index, found=name)
        return clocks

    def _takes(self, table: Table, key: str, name: str, who: str) -> bool:
        """Whether the name was free; it is not any more."""
        holder = self.taken.setdefault(name, who)
        if holder is not who:
            table.error(f"this name is taken by {holder}; write another", key, found=name)
        return holder is who


def _with(host: Host, program: Program | None = None, attachment: Attachment | None = None) -> Host:
    programs = (*host.programs, program) if program else host.programs
    attachments = (*host.attachments, attachment) if attachment else host.attachments
    return Host(host.name, host.zone, host.role, host.address, programs, attachments)


def valid_name(value: object) -> str:
    """A host's, a zone's, a world's or a lab's. Raises ValueError with what to write instead."""
    if not isinstance(value, str) or not _NAME.match(value) or value.startswith(("router-", "segment-")):
        raise ValueError(
            f'write a name such as "lb-a1": small letters, digits and "-", at most {NAME_CHARS_MAX}, '
            'and not beginning with "router-" or "segment-"'
        )
    return value


def _segment_name(value: object) -> str:
    if len(valid_name(value)) > _SEGMENT_CHARS_MAX:
        raise ValueError(f"write a name of at most {_SEGMENT_CHARS_MAX} characters")
    return str(value)


def _dns_name(value: object) -> str:
    if not isinstance(value, str) or not _DNS_NAME.match(value):
        raise ValueError('write a name of at least two labels in small letters, such as "shop.lab"')
    return value


def _word(value: object) -> str:
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError("write a command's words, each a string that is not empty")
    return value


def _example(role: Role) -> str:
    return {Role.BALANCER: "lb-a1", Role.REPLICA: "app-a1", Role.CLIENT: "client-a1"}.get(role, "dns-a1")


def _not_among(what: str, names: Iterable[str]) -> str:
    known = ", ".join(names)
    return f"no {what} is called so; write one of {known}" if known else f"no {what} is called so, as there is none"
