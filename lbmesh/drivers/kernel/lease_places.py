"""Where leases are in the kernel: in which sets, by which keys. Pure, and light, as the sentinel has them, too.

A lease is called by the front's address, or BGP_LEASE. The sets are made together with the rules that look into them,
by the drivers (`vip/lease_rules.py`, `bgp/gate_rules.py`).
"""

import ipaddress
import struct

from lbmesh.drivers.kernel.nf_tables import ARP, INET, Place

FRONTS_TABLE = "lbmesh_fronts"
"""Of families arp and inet: `lease4` and `lease6` are sets of addresses."""

BGP_TABLE = "lbmesh_bgp"
"""Of family inet: `lease` is a set of ports."""

BGP_LEASE = "bgp"
"""There is one for the node, as a router has one session with it, whatever the fronts."""

BGP_PORTS = (179, 3784, 4784)
"""BGP (RFC 4271), BFD over one hop (RFC 5881) and over several (RFC 5883)."""


def keys_of(lease: str) -> tuple[tuple[Place, bytes], ...]:
    """The elements that a lease is, all of which come and go together. `lease`: an address, or BGP_LEASE."""
    if lease == BGP_LEASE:
        return tuple((Place(INET, BGP_TABLE, "lease"), struct.pack(">H", port)) for port in BGP_PORTS)
    packed = ipaddress.ip_address(lease).packed
    if len(packed) == 16:
        return ((Place(INET, FRONTS_TABLE, "lease6"), packed),)
    return ((Place(ARP, FRONTS_TABLE, "lease4"), packed), (Place(INET, FRONTS_TABLE, "lease4"), packed))
