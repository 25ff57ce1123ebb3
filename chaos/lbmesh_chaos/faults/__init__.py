"""A fault and a world to a plan: ordered steps, each with its undo. Pure."""
