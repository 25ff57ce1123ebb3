"""The driver of routed addresses: BIRD 2 announces them, and what BIRD says to routers passes a lease in the kernel."""
