"""How long the agent's steps are while it tickles what it knows: `python -m tests.bench.vip.tickling [KNOWN]`."""

import sys

from tests.support.segment import segment


def main() -> None:
    """One line of JSON."""
    known = sys.argv[1] if len(sys.argv) > 1 else "65536"
    with segment(1) as place:
        print(place.nodes[0].run(sys.executable, "-m", "tests.support.tickling", known))


if __name__ == "__main__":
    main()
