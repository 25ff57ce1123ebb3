"""What drivers, and the sentinel, ask and tell the kernel: addresses, routes, sets of nf_tables, leases."""
