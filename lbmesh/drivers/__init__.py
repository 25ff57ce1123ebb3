"""What moves a front in the world: one driver for each kind, behind one Protocol."""
