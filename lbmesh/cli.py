"""The `lbmesh` command: its verbs.

What a verb needs is imported when it is called: the sentinel, which is `lbmesh run`, must stay light.
"""

import argparse
import os
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, TypeVar, cast

from lbmesh.admin.text import plain, short
from lbmesh.control.processes import AgentOptions, ForwarderOptions, NameserverOptions
from lbmesh.model.address import Address, parse_address
from lbmesh.observe.build import VERSION_TEXT

if TYPE_CHECKING:
    from lbmesh.admin.client import Asked

T = TypeVar("T")

_DEFAULT_ADMIN = Address("127.0.0.1", 9900)
_WAIT_MAX_S = 86_400.0
_READER_GONE = 141
"""As a shell has it for a program that SIGPIPE (13) ended: 128 and the signal's number."""

_VERBS = ("run", "check", "status", "explain", "keys", "dev")
_ADDED_VERBS = "lbmesh.verbs"
_FROM_CHAOS = {
    "lab": "a world of zones in network namespaces, to break and to look into (as root)",
    "drill": "a chaos experiment, and the report of what clients lost",
}
"""Verbs of the package lbmesh-chaos, listed whether it is there or not."""

_RUN_EPILOG = """\
signals: SIGTERM or SIGINT drains and leaves the mesh, a second one ends the node at once. SIGHUP means
reload, and nothing else: the node outlives the terminal that it was started from.
exit codes: 0 left after a drain; 1 cannot start (configuration, ports), as the lines above it say; 3 a
child process cannot start; 4 told to leave, but a forwarder died before it had drained, and its requests
with it; 130 or 143 ended at once by a second signal.
"""


_KEYS_EPILOG = """\
list     who holds which key, and whose primary key is which
rotate   install a fresh key, use it when all hold it, remove the old one when all use the new one
install  have all members hold a fresh key, or with its id one that this node holds
use      have all members seal under a key; refused while a live member lacks it
remove   have all members give a key up; refused while it is in use
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; the exit code. Usage errors end with 2, as argparse has it."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    match arguments:
        case ["dev", "internal-balancer" | "internal-replica", *_]:
            return _dev(arguments[1:])
        case ["dev", *rest]:
            return _seen_through(lambda: _dev(rest))
        case ["internal-agent", *_]:
            from lbmesh.app import run_agent

            return run_agent(agent_options(child_parser().parse_args(arguments)))
        case ["internal-forwarder", *_]:
            from lbmesh.app import run_forwarder

            return run_forwarder(forwarder_options(child_parser().parse_args(arguments)))
        case ["internal-nameserver", *_]:
            from lbmesh.app import run_nameserver

            return run_nameserver(nameserver_options(child_parser().parse_args(arguments)))
        case ["run", *_]:
            parsed = _seen_through(lambda: _parsed(arguments))
            return parsed if isinstance(parsed, int) else _run(parsed)
        case [word, *rest] if added := _added_verb(word):
            return _seen_through(lambda: added(rest))
        case _:
            return _seen_through(lambda: _operate(arguments))


class _Watched:
    """Standard output that remembers that writing failed: argparse of CPython 3.11.7 and later keeps it to itself."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.failed: OSError | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except OSError as error:
            self.failed = error
            raise


def _seen_through(verb: Callable[[], T]) -> T | int:
    """Run what prints, to the last byte; its result, or the exit code when it could not all be printed. That nobody
    reads any more is said to nobody.
    """
    output = _Watched(sys.stdout)
    try:
        try:
            with redirect_stdout(cast("TextIO", output)):
                return verb()
        finally:
            print(end="", flush=True)
            if output.failed is not None:
                raise output.failed
    except OSError as error:
        # What concerns a file names it; standard output has no name.
        if error.filename is not None:
            raise
        # What is still buffered must not fail again when the interpreter flushes at its exit.
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            return _READER_GONE
        with suppress(OSError):
            _fail(f"lbmesh: cannot write to standard output: {error.strerror}; make room there, or send it elsewhere")
        return 1


def _added_verb(word: str) -> Callable[[Sequence[str]], int] | None:
    """A verb that another package adds, by the entry points `lbmesh.verbs`: from its arguments to the exit code."""
    if word in _VERBS or word.startswith("-"):
        return None
    from importlib.metadata import entry_points

    for found in entry_points(group=_ADDED_VERBS, name=word):
        verb: Callable[[Sequence[str]], int] = found.load()
        return verb
    if word not in _FROM_CHAOS:
        return None
    return lambda _: _fail(
        f"lbmesh {word}: comes with the package lbmesh-chaos, which is not installed here; "
        "install it: `pip install lbmesh-chaos`, or in a checkout `make setup`"
    )


def _dev(arguments: Sequence[str]) -> int:
    from lbmesh.dev import main as dev

    return dev(arguments)


def _parsed(arguments: Sequence[str]) -> argparse.Namespace:
    """What the options say. What there is too much of is told with the usage of its verb."""
    parser = _operator_parser()
    parsed, unknown = parser.parse_known_args(arguments)
    if unknown:
        parsed.parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    return parsed


def _operate(arguments: Sequence[str]) -> int:
    """The verbs that people type, and that print."""
    parsed = _parsed(arguments)
    match parsed.verb:
        case None:
            parsed.parser.print_help(sys.stderr)
            return 2
        case "check":
            return _check(parsed)
        case "status":
            return _status(parsed)
        case "explain":
            return _explain(parsed)
        case "keys":
            return _keys(parsed)
        case _:
            raise AssertionError(parsed.verb)


def _operator_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="lbmesh", description="A self-healing, multi-zone HTTP load balancer.")
    parser.add_argument("--version", action="version", version=VERSION_TEXT)
    verbs = parser.add_subparsers(dest="verb", metavar="VERB")
    run = verbs.add_parser(
        "run",
        help="run one node in the foreground",
        epilog=_RUN_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    run.add_argument("-c", "--config", metavar="FILE", type=Path, required=True, help="this node's configuration")
    check = verbs.add_parser("check", help="find every error in a configuration file; exit 1 if there is one")
    check.add_argument("-c", "--config", metavar="FILE", type=Path, required=True, help="the file to read")
    check.add_argument("--json", action="store_true", help="print a JSON object")
    status = verbs.add_parser("status", help="show the mesh as one node sees it")
    explain = verbs.add_parser(
        "explain",
        help="say why a replica, a member or a front is what it is, or why a request for a URL would go where",
    )
    explain.add_argument("kind", choices=("replica", "member", "front", "url"), help="what NAME is")
    explain.add_argument(
        "name", metavar="NAME", help="a balancer's name; a replica's service/address, or its address alone; a whole URL"
    )
    for asking in (status, explain):
        _say_whom_to_ask(asking)
    _add_keys(verbs)
    # Listed for `lbmesh --help`; main hands its arguments on before they get here.
    verbs.add_parser("dev", help="run a whole three-zone mesh on loopback addresses, and drill it")
    for verb, says in _FROM_CHAOS.items():
        verbs.add_parser(verb, help=f"{says}; from lbmesh-chaos")
    for one in (parser, *verbs.choices.values()):
        one.set_defaults(parser=one)
    return parser


def _add_keys(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    keys = verbs.add_parser(
        "keys",
        help="show the gossip's key ring, or change it in the whole mesh",
        epilog=_KEYS_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    keys.add_argument("action", nargs="?", choices=("list", "rotate", "install", "use", "remove"), default="list")
    keys.add_argument("key", nargs="?", default="", help="a key's id, as the list shows it")
    keys.add_argument("--force", action="store_true", help="remove a key even if somebody may come back with it alone")
    keys.add_argument(
        "--wait", metavar="SECONDS", type=_wait_s, default=30.0, help="a member's time for each step (30)"
    )
    _say_whom_to_ask(keys)


def _say_whom_to_ask(parser: argparse.ArgumentParser) -> None:
    """The options of every verb that asks a running node."""
    which = parser.add_mutually_exclusive_group()
    which.add_argument("-c", "--config", metavar="FILE", type=Path, help="ask the node of this configuration")
    which.add_argument(
        "--admin", metavar="ADDRESS", type=_address, help=f"ask the node here (default: {_DEFAULT_ADMIN})"
    )
    parser.add_argument("--token-file", metavar="FILE", type=Path, help="the admin token, with --admin")
    parser.add_argument("--json", action="store_true", help="print a JSON object")


def _address(text: str) -> Address:
    try:
        return parse_address(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _wait_s(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0.0 <= seconds <= _WAIT_MAX_S:
        raise argparse.ArgumentTypeError(
            f'found "{short(text)}"; write seconds from 0 to {_WAIT_MAX_S:.0f}, such as 30'
        )
    return seconds


def child_parser() -> argparse.ArgumentParser:
    """What the sentinel starts its children with (see sentinel.commands). No help: nobody types it."""
    parser = argparse.ArgumentParser(prog="lbmesh")
    verbs = parser.add_subparsers(dest="verb", required=True)
    agent = verbs.add_parser("internal-agent")
    agent.add_argument("-c", "--config", type=Path, required=True)
    forwarder = verbs.add_parser("internal-forwarder")
    nameserver = verbs.add_parser("internal-nameserver")
    for child in (agent, forwarder, nameserver):
        child.add_argument("--control-fd", type=int, required=True)
        child.add_argument("--ticks-fd", type=int, required=True)
        child.add_argument("--log-level", default="info")
    for child in (agent, nameserver):
        child.add_argument("--settings-fd", type=int, required=True)
    agent.add_argument("--generation", type=int, required=True)
    agent.add_argument("--boot-epoch", type=int, required=True)
    agent.add_argument("--admin-fd", type=int)
    agent.add_argument("--gossip-fd", type=int)
    agent.add_argument("--heartbeat-port", type=int)
    agent.add_argument("--heartbeat-session", default="")
    forwarder.add_argument("--worker", type=int, required=True)
    forwarder.add_argument("--access-log", default="stdout")
    forwarder.add_argument("--listen-fd", type=int, action="append", default=[])
    for option in ("--udp-fd", "--tcp-fd"):
        nameserver.add_argument(option, type=int, action="append", default=[])
    return parser


def _run(parsed: argparse.Namespace) -> int:
    from lbmesh.app import run_node

    return run_node(parsed.config)


def _check(parsed: argparse.Namespace) -> int:
    from lbmesh.config.check import check_file

    errors = check_file(parsed.config, time.time())
    if parsed.json:
        import json

        print(json.dumps({"file": str(parsed.config), "ok": not errors, "errors": errors}))
    else:
        print("\n".join(map(plain, errors)) if errors else plain(f"{parsed.config}: fine"))
    return 1 if errors else 0


def _status(parsed: argparse.Namespace) -> int:
    from lbmesh.admin.status import run_status

    whom = _asked(parsed)
    return _fail(*whom) if isinstance(whom, tuple) else run_status(whom, as_json=parsed.json)


def _explain(parsed: argparse.Namespace) -> int:
    from lbmesh.admin.explain import run_explain

    whom = _asked(parsed)
    if isinstance(whom, tuple):
        return _fail(*whom)
    return run_explain(whom, parsed.kind, parsed.name, as_json=parsed.json)


def _asked(parsed: argparse.Namespace) -> "Asked | tuple[str, ...]":
    """Whom the options say to ask, or what is wrong with them."""
    from lbmesh.admin.client import Asked
    from lbmesh.config.load import load_settings, read_secret
    from lbmesh.config.settings import Settings
    from lbmesh.config.values import admin_token

    address, token = parsed.admin or _DEFAULT_ADMIN, None
    if parsed.config is not None:
        settings = load_settings(parsed.config)
        if not isinstance(settings, Settings):
            return tuple(map(str, settings))
        if settings.admin is None:
            return (f"{parsed.config}: this node has no [admin], so it cannot be asked; add one",)
        address, token = settings.admin.bind, settings.admin.token
        if not address.port:
            why = "[admin] bind has port 0, so that the kernel chose one when the node started"
            return (f'{parsed.config}: {why}: give --admin ADDRESS instead, as its log has it where "node starts"',)
    if parsed.token_file is not None:
        try:
            token = admin_token(read_secret(parsed.token_file))
        except OSError as error:
            return (f"{parsed.token_file}: cannot be read: {error.strerror}",)
        except ValueError:
            what = "it must hold one line of printable ASCII, a word of letters, digits and -._~+/"
            return (f"{parsed.token_file}: is no admin token: {what}; copy the token_file of that node's [admin]",)
    was_told = parsed.admin is not None or parsed.config is not None
    said = {"-c": parsed.config, "--admin": parsed.admin, "--token-file": parsed.token_file}
    options = tuple(word for option, value in said.items() if value is not None for word in (option, str(value)))
    return Asked(address, token, None if was_told else _whom_else_to_ask, options)


def _keys(parsed: argparse.Namespace) -> int:
    if parsed.action in ("use", "remove") and not parsed.key:
        return _fail(f"lbmesh keys {parsed.action}: say which key: `lbmesh keys` lists their ids")
    if parsed.action in ("list", "rotate") and parsed.key:
        return _fail(_needless(parsed.action, parsed.key))
    whom = _asked(parsed)
    if isinstance(whom, tuple):
        return _fail(*whom)
    from lbmesh.admin.keys import KeysNode, run_keys

    return run_keys(
        KeysNode(whom), parsed.action, parsed.key, force=parsed.force, step_s=parsed.wait, as_json=parsed.json
    )


def _needless(action: str, key: str) -> str:
    """What to say of a key where none is taken."""
    said = short(plain(key))
    if action == "list":
        return f'lbmesh keys list: takes no key, and there is "{said}": `lbmesh keys` shows them all'
    return (
        f'lbmesh keys rotate: takes no key, and there is "{said}": it makes a fresh one for the whole mesh. To have '
        f"all use a key that they hold, type `lbmesh keys use {shlex.quote(said)}`"
    )


def _whom_else_to_ask() -> str:
    from lbmesh.dev.admins import admin_addresses

    advice = "Say whom to ask with --admin ADDRESS, or with -c FILE, the node's configuration"
    found = admin_addresses()
    return f"{advice}; `lbmesh dev` has nodes at {', '.join(found)}" if found else advice


def agent_options(parsed: argparse.Namespace) -> AgentOptions:
    """What `sentinel.commands.agent_command` wrote."""
    return AgentOptions(
        config_file=parsed.config,
        control_fd=parsed.control_fd,
        ticks_fd=parsed.ticks_fd,
        settings_fd=parsed.settings_fd,
        generation=parsed.generation,
        boot_epoch=parsed.boot_epoch,
        admin_fd=parsed.admin_fd,
        gossip_fd=parsed.gossip_fd,
        heartbeat_port=parsed.heartbeat_port,
        heartbeat_session=parsed.heartbeat_session,
        log_level=parsed.log_level,
    )


def forwarder_options(parsed: argparse.Namespace) -> ForwarderOptions:
    """What `sentinel.commands.forwarder_command` wrote."""
    return ForwarderOptions(
        worker=parsed.worker,
        control_fd=parsed.control_fd,
        ticks_fd=parsed.ticks_fd,
        listen_fds=tuple(parsed.listen_fd),
        access_log=parsed.access_log,
        log_level=parsed.log_level,
    )


def nameserver_options(parsed: argparse.Namespace) -> NameserverOptions:
    """What `sentinel.commands.nameserver_command` wrote."""
    return NameserverOptions(
        control_fd=parsed.control_fd,
        ticks_fd=parsed.ticks_fd,
        settings_fd=parsed.settings_fd,
        udp_fds=tuple(parsed.udp_fd),
        tcp_fds=tuple(parsed.tcp_fd),
        log_level=parsed.log_level,
    )


def _fail(*lines: str) -> int:
    print(*lines, sep="\n", file=sys.stderr)
    return 1
