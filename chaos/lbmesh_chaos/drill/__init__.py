"""Runs an experiment under load, and makes its report."""
