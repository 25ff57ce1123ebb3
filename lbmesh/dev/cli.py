"""The verbs of `lbmesh dev`. What each needs is imported when it is called: `kill` should be quick."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from lbmesh.dev.verbs import EVERYTHING, Verb

_EPILOG = """\
With no verb, starts three zones with a balancer and two replicas of a small shop each, and a client that goes
on calling. Ctrl-C ends it and leaves nothing behind. Drill it from another terminal:

  lbmesh dev names            what there is to break
  lbmesh dev kill app-a1      SIGKILL a replica, a balancer or a zone
  lbmesh dev cut zone-b       SIGSTOP: it is silent, but its kernel still takes connections
  lbmesh dev heal zone-b      undo both; without a name, everywhere
"""


def main(argv: Sequence[str]) -> int:
    """Run `lbmesh dev ARGV...`; the exit code."""
    if argv and argv[0] in ("internal-balancer", "internal-replica"):
        return _be_process(_process_parser().parse_args(argv))
    parsed = _parser().parse_args(argv)
    match parsed.verb:
        case None:
            from lbmesh.dev.up import run_up

            return run_up()
        case "demo":
            from lbmesh.dev.demo import run_demo

            return run_demo(as_json=parsed.json)
        case "names":
            return _order(Verb.NAMES, EVERYTHING, parsed.mesh)
        case "kill" | "cut" | "heal":
            return _order(Verb(parsed.verb), parsed.name, parsed.mesh)
        case _:
            raise AssertionError(parsed.verb)


def _be_process(parsed: argparse.Namespace) -> int:
    match parsed.verb:
        case "internal-balancer":
            from lbmesh.dev.launcher import become_balancer

            return become_balancer(parsed.parent, parsed.config)
        case "internal-replica":
            from lbmesh.dev.launcher import be_replica

            return be_replica(parsed.parent, parsed.name, parsed.zone, parsed.listen_fd, parsed.journal)
        case _:
            raise AssertionError(parsed.verb)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lbmesh dev",
        description="A whole mesh on this machine's loopback addresses, to try and to break.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(dest="verb", metavar="VERB")
    demo = verbs.add_parser("demo", help="run a scripted drill, print what it cost, and end")
    demo.add_argument("--json", action="store_true", help="print the result as a JSON object")
    for verb, told in (
        ("kill", "end it at once (SIGKILL)"),
        ("cut", "freeze it (SIGSTOP)"),
        ("heal", "let it run again, or start it again; without a name, everything"),
    ):
        order = verbs.add_parser(verb, help=told)
        order.add_argument(
            "name",
            metavar="NAME",
            nargs="?" if verb == "heal" else None,
            default=EVERYTHING,
            help="a zone, a balancer or a replica: see `lbmesh dev names`",
        )
        _add_mesh(order)
    _add_mesh(verbs.add_parser("names", help="list what can be killed, cut and healed"))
    return parser


def _add_mesh(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--mesh", metavar="PID", type=int, help="which `lbmesh dev`, when several run")


def _process_parser() -> argparse.ArgumentParser:
    """What `lbmesh dev` starts its processes with (see launcher). No help: nobody types it."""
    parser = argparse.ArgumentParser(prog="lbmesh dev")
    verbs = parser.add_subparsers(dest="verb", required=True)
    balancer = verbs.add_parser("internal-balancer")
    balancer.add_argument("--config", type=Path, required=True)
    replica = verbs.add_parser("internal-replica")
    replica.add_argument("--name", required=True)
    replica.add_argument("--zone", required=True)
    replica.add_argument("--listen-fd", type=int, required=True)
    replica.add_argument("--journal", type=Path, required=True)
    for child in (balancer, replica):
        child.add_argument("--parent", type=int, required=True)
    return parser


def _order(verb: Verb, name: str, mesh: int | None) -> int:
    from lbmesh.dev.control_client import send_order

    reply = send_order(verb, name, mesh)
    print(*reply.lines, sep="\n", file=sys.stdout if reply.ok else sys.stderr)
    return 0 if reply.ok else 1
