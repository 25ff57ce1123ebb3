"""The options of a front that EC2 moves."""

import ipaddress
import re
from urllib.parse import urlsplit

from lbmesh.config.front_values import interface_name
from lbmesh.config.table import Table
from lbmesh.model.front import Ec2Driver, Ec2Kind

_ID = re.compile(r"(?P<prefix>[a-z]{2,10})-(?:[0-9a-f]{8}|[0-9a-f]{17})\Z")
"""EC2's ids: 8 digits until 2016, 17 since."""

_REGION = re.compile(r"[a-z]{2}(?:-[a-z]+)+-[0-9]{1,2}\Z")
_URL_CHARS_MAX = 256

_EXAMPLES = {
    Ec2Kind.ELASTIC: "eipalloc-0123456789abcdef0",
    Ec2Kind.PRIVATE: "subnet-0123456789abcdef0",
    Ec2Kind.ROUTE: "rtb-0123456789abcdef0",
}


def read_ec2(options: Table, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> Ec2Driver | None:
    """The options; None when something is wrong that leaves no resource, which is noted."""
    resource = options.required("resource", _resource, f'"{_EXAMPLES[Ec2Kind.ELASTIC]}"')
    region = options.optional("region", _region, None)
    endpoint = options.optional("endpoint", _endpoint, None)
    device = options.optional("device", interface_name, None)
    interfaces = _read_interfaces(options)
    if resource is None:
        return None
    driver = Ec2Driver(resource, region, endpoint, interfaces, device)
    if driver.kind is Ec2Kind.ELASTIC:
        if address.version == 6:
            message = f'an elastic address is one of IPv4; write a subnet such as "{_EXAMPLES[Ec2Kind.PRIVATE]}"'
            options.error(message, "resource", found=resource)
        if device:
            message = (
                "EC2 translates an elastic address to a private one, which stays on the machine: remove device, and "
                "set the private addresses up with the system"
            )
            options.error(message, "device", found=device)
    return driver


def _read_interfaces(options: Table) -> tuple[tuple[str, str], ...]:
    table = options.table("interfaces")
    if table is None:
        return ()
    found = []
    for node in sorted(table.values):
        interface = table.optional(node, _interface, None)
        if interface:
            found.append((node, interface))
    return tuple(found)


def _resource(value: object) -> str:
    """The id of what leads an address somewhere."""
    listed = ", ".join(f'"{_EXAMPLES[kind]}"' for kind in Ec2Kind)
    if not isinstance(value, str) or not (found := _ID.match(value)):
        raise ValueError(f"write the id of an elastic address, a subnet or a route table, such as {listed}")
    if found["prefix"] == "eni":
        raise ValueError(
            "an interface is one node's, and all nodes have the same fronts: write the subnet whose interfaces may "
            f'have the address, "{_EXAMPLES[Ec2Kind.PRIVATE]}", and each node\'s interface in interfaces'
        )
    if found["prefix"] not in set(Ec2Kind):
        raise ValueError(f"this leads no address anywhere: write an id such as {listed}")
    return value


def _interface(value: object) -> str:
    if not isinstance(value, str) or not (found := _ID.match(value)) or found["prefix"] != "eni":
        raise ValueError('write the id of an interface such as "eni-0123456789abcdef0"')
    return value


def _region(value: object) -> str:
    if not isinstance(value, str) or not _REGION.match(value):
        raise ValueError('write a region such as "eu-central-1"')
    return value


def _endpoint(value: object) -> str:
    """Where EC2's API is, when not where boto3 thinks."""
    example = 'write a URL such as "https://ec2.eu-central-1.amazonaws.com"'
    if not isinstance(value, str) or len(value) > _URL_CHARS_MAX or not value.isascii() or not value.isprintable():
        raise ValueError(example)
    try:
        parts = urlsplit(value)
        is_fit = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError as wrong:
        raise ValueError(example) from wrong
    if not is_fit or parts.query or parts.fragment or parts.username:
        raise ValueError(example)
    return value
