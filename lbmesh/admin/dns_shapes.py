"""DNS in /v1/state and in `lbmesh status`: the zone, its addresses with the reasons, and what each name answers."""

from collections.abc import Iterator
from typing import Any

from lbmesh.admin.text import table
from lbmesh.dns.zone import answered
from lbmesh.model.dns import APEX, DnsPicture


def dns_shape(picture: DnsPicture) -> dict[str, Any]:
    """As JSON. `answers`: by name in full, those that are given now; their order is another at each query."""
    policy = picture.policy
    known = {one.address: one for one in picture.addresses}
    return {
        "zone": policy.zone,
        "picture": str(picture.version),
        "ttl_s": policy.ttl_s,
        "name_servers": [server.name for server in policy.name_servers],
        "addresses": [
            {"address": one.address, "zone": one.zone, "published": one.is_published, "reason": one.reason}
            for one in picture.addresses
        ],
        "answers": {
            policy.zone if name.name == APEX else f"{name.name}.{policy.zone}": [
                one.address for one in answered(known[each] for each in name.addresses if each in known)
            ]
            for name in policy.names
        },
        "all_withdrawn": not any(one.is_published for one in picture.addresses),
    }


def dns_lines(dns: dict[str, Any] | None) -> Iterator[str]:
    """The shape as text; nothing for a node without [dns]. Raises KeyError or TypeError when it has another shape."""
    if dns is None:
        return
    yield ""
    yield f"DNS zone {dns['zone']}, picture {dns['picture']}, name servers {', '.join(dns['name_servers'])}"
    if dns["all_withdrawn"]:
        yield "dns: no address looks alive from here, so all are answered: none is no better"
    rows = (
        (one["address"], one["zone"], "published" if one["published"] else "withdrawn", one["reason"])
        for one in dns["addresses"]
    )
    yield from table([("address", "zone", "state", "reason"), *rows])
    yield ""
    yield from table([("name", "answers"), *((name, ", ".join(found)) for name, found in dns["answers"].items())])
