"""The driver of addresses on a shared L2: netlink, ARP and neighbour discovery, and the lease in the kernel."""
