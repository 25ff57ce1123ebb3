"""The driver of addresses on a shared L2: steps, ARP and neighbour discovery, and the rules by which leases work."""
