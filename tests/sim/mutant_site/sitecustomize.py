"""Imported by each Python process that has this directory in PYTHONPATH (site, in Python's library)."""

from tests.sim.mutant_import import take_out

take_out()
