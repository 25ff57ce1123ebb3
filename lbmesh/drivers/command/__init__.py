"""Fronts that a program of the operator's moves."""
