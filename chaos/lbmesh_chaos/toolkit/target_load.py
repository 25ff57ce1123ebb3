"""What load a drill at real hosts may send: where to, how much at most, what is asked. Of the safety list. Pure.

[load]                                # without it: none
rate_max = 50                         # requests a second, of all clients together
requests_max = 3000                   # of one drill
lasts_max = "2m"
host = "shop.example.com"             # the Host of the requests
get = "/products/1?drill={id}"        # {id}: the request's own
post = "/drill/orders"                # one that harms nobody; without it: none are sent
keyed_post = "/drill/orders"          # one that heeds Idempotency-Key
post_body = '{"drill": "{id}"}'
post_type = "application/json"
echo_header = "X-Drill-Id"            # in which the origin gives back the id that came in X-Lbmesh-Drill-Id
count_header = "X-Drill-Times"        # in which it says how often it has carried that id out by then

[[load.address]]                      # load is sent here, and nowhere else; over HTTP without TLS
address = "10.1.1.1:80"
zone = "zone-a"
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import partial

from lbmesh.config import values
from lbmesh.config.table import Table
from lbmesh.model.address import Address
from lbmesh_chaos.faults.values import nearest
from lbmesh_chaos.load.bodies import ID_HEADER
from lbmesh_chaos.load.template import ID_MARK, RequestTemplate
from lbmesh_chaos.model.world_file import valid_name
from lbmesh_chaos.toolkit.bounded import duration_up_to, number_up_to
from lbmesh_chaos.toolkit.extension import RATE_MAX

ADDRESSES_MAX = 32
REQUESTS_MAX = 3_000_000
LASTS_MAX_S = 3600.0
BODY_CHARS_MAX = 8192
TARGET_CHARS_MAX = 1024
_TARGET = re.compile(r"/(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*")
_FIELD_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")
_CONTENT_TYPE = re.compile(r"[A-Za-z0-9.+-]{1,64}/[A-Za-z0-9.+-]{1,64}(?:; ?charset=[A-Za-z0-9-]{1,32})?")
_OURS = frozenset({ID_HEADER.lower(), "content-length", "transfer-encoding", "connection"})


@dataclass(frozen=True, slots=True)
class LoadAddress:
    """Where load may be sent. Clients of its zone ask it before those of other zones."""

    address: Address
    zone: str


@dataclass(frozen=True, slots=True)
class TargetLoad:
    """`rate_max`: requests a second, `requests_max`: all of one drill, for at most `lasts_max_s`."""

    host: str
    addresses: tuple[LoadAddress, ...]
    template: RequestTemplate
    rate_max: float
    requests_max: int
    lasts_max_s: float

    @property
    def zones(self) -> tuple[str, ...]:
        """Those that have an address, in the order of the list."""
        return tuple(dict.fromkeys(one.zone for one in self.addresses))

    def nearest_to(self, zone: str) -> tuple[str, ...]:
        """All addresses, that zone's before the others."""
        return tuple(str(one.address) for one in sorted(self.addresses, key=lambda one: one.zone != zone))

    @property
    def asks(self) -> str:
        """What is asked, in words."""
        template = self.template
        asked = (
            ("GET", template.get),
            ("POST", template.post),
            ("POST with an Idempotency-Key", template.keyed_post),
        )
        return ", ".join(f"{method} {target}" for method, target in asked if target)


def read_target_load(root: Table, zones: Collection[str]) -> TargetLoad | None:
    """That of the list; None when there is none, or something is wrong, which is noted. `zones`: those of its hosts."""
    table = root.table("load")
    if table is None:
        return None
    rate_max = table.required("rate_max", partial(number_up_to, RATE_MAX), "50")
    requests_max = table.required("requests_max", values.whole_number(1, REQUESTS_MAX), "3000")
    lasts_max_s = table.required("lasts_max", partial(duration_up_to, LASTS_MAX_S), '"2m"')
    host = table.required("host", _host, '"shop.example.com"')
    template = _template(table)
    addresses = _addresses(table, zones)
    table.close()
    if rate_max is None or requests_max is None or lasts_max_s is None or host is None or template is None:
        return None
    return TargetLoad(host, addresses, template, rate_max, requests_max, lasts_max_s)


def _template(table: Table) -> RequestTemplate | None:
    default = RequestTemplate("/")
    get = table.required("get", _target, '"/"')
    post = table.optional("post", _target, "")
    keyed_post = table.optional("keyed_post", _target, "")
    body = table.optional("post_body", _body, default.body)
    content_type = table.optional("post_type", _content_type, default.content_type)
    echo_header = table.optional("echo_header", _field_name, "")
    count_header = table.optional("count_header", _field_name, "")
    for key in ("post_body", "post_type"):
        if key in table.values and not {"post", "keyed_post"} & table.values.keys():
            table.error('nothing is posted; write post = "/drill/orders", or remove it', key)
    if count_header and not echo_header:
        table.error("a count of whose id? write echo_header, too", "count_header")
    if count_header and count_header.lower() == echo_header.lower():
        table.error("is echo_header; write another field", "count_header", found=count_header)
    if get is None:
        return None
    return RequestTemplate(get, post, keyed_post, body, content_type, echo_header, count_header)


def _addresses(table: Table, zones: Collection[str]) -> tuple[LoadAddress, ...]:
    tables = table.tables("address", "address")
    if "address" not in table.values:
        table.error("missing; write a [[load.address]] for each address that load may be sent to", "address")
    if len(tables) > ADDRESSES_MAX:
        table.error(f"more than {ADDRESSES_MAX}; write those that clients know", "address")
        return ()
    found: list[LoadAddress] = []
    for each in tables:
        address = each.required("address", values.reachable_address, '"10.1.1.1:80"')
        zone = each.required("zone", valid_name, '"zone-a"')
        each.close()
        if zone is not None and zone not in zones:
            each.error(f"no node is in this zone; {nearest(zone, list(zones))}", "zone", found=zone)
        if address is not None and address in {one.address for one in found}:
            each.error("is there twice; remove one", "address", found=str(address))
        elif address is not None and zone is not None:
            found.append(LoadAddress(address, zone))
    return tuple(found)


def _host(value: object) -> str:
    if isinstance(value, str) and "*" in value:
        raise ValueError('clients ask for one host: write it, such as "shop.example.com"')
    return values.host(value)


def _target(value: object) -> str:
    if (
        not isinstance(value, str)
        or len(value) > TARGET_CHARS_MAX
        or not _TARGET.fullmatch(value.replace(ID_MARK, "id"))
    ):
        raise ValueError(f'write a path that starts with "/", such as "/products/1" or "/echo?drill={ID_MARK}"')
    return value


def _body(value: object) -> str:
    if not isinstance(value, str) or len(value) > BODY_CHARS_MAX:
        raise ValueError(f"write a text of at most {BODY_CHARS_MAX} characters")
    return value


def _content_type(value: object) -> str:
    if not isinstance(value, str) or not _CONTENT_TYPE.fullmatch(value):
        raise ValueError('write a media type, such as "application/json"')
    return value


def _field_name(value: object) -> str:
    if not isinstance(value, str) or not _FIELD_NAME.fullmatch(value) or value.lower() in _OURS:
        raise ValueError('write the name of a field that the origin sets, such as "X-Drill-Id"')
    return value
