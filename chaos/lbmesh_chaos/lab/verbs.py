"""The verbs of `lbmesh lab`."""

import argparse
from collections.abc import Sequence


def main(arguments: Sequence[str]) -> int:
    """Run one verb; the exit code. Usage errors end with 2."""
    parser = argparse.ArgumentParser(prog="lbmesh lab", description="A world of zones on one machine.")
    parser.parse_args(arguments)
    parser.print_help()
    return 2
