"""Memory."""

from pathlib import Path

IDLE_CONNECTIONS = 10_000
BODY_MIB = 1024


def run(*a): ...
