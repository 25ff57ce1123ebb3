"""A configuration file's text to settings, or every error in it with its line. Pure."""

import re
import tomllib

from lbmesh.config.dns import read_dns
from lbmesh.config.errors import ConfigError
from lbmesh.config.fronts import read_failover, read_fronts
from lbmesh.config.locate import locate
from lbmesh.config.routes import read_routes
from lbmesh.config.sections import (
    read_admin,
    read_forwarder,
    read_gossip,
    read_listeners,
    read_log,
    read_node,
)
from lbmesh.config.services import read_services
from lbmesh.config.settings import Settings
from lbmesh.config.table import Files, ReadFile, ReadKeyPair, Report, Table, in_order

CONFIG_CHARS_MAX = 8 * 1024 * 1024
"""About 100,000 replicas; more is refused before it is parsed."""

_TABLE_TWICE = re.compile(r"Cannot (?:declare|redefine namespace) \((?P<keys>.*?),?\)(?: twice)?\Z")
_TABLE_CLOSED = re.compile(r"Cannot mutate immutable namespace \((?P<keys>.*?),?\)\Z")
_TOML_LINE = re.compile(r" \(at (?:line (?P<line>\d+), column \d+|end of document)\)\Z")


def parse_settings(
    text: str,
    *,
    file: str,
    host_name: str,
    cpu_count: int,
    read_file: ReadFile,
    read_certificates: ReadFile,
    read_page: ReadFile,
    read_key_pair: ReadKeyPair,
) -> Settings | tuple[ConfigError, ...]:
    """The settings in `text`, or all its errors in the order of their lines.

    `file` names the text in errors. `host_name` and `cpu_count` are defaults for the node's name and its
    number of workers. `read_file` gives the text of `key_file` and `token_file`, `read_certificates` the PEM of a `ca`,
    `read_page` the page of a `file`, `read_key_pair` what `cert` and `key` name; what they raise becomes errors.
    """
    root = read_toml(text, file)
    if isinstance(root, ConfigError):
        return (root,)
    files = Files(read_certificates, read_key_pair)
    node = read_node(root, host_name)
    gossip = read_gossip(root, read_file)
    workers, limits, provenance = read_forwarder(root, cpu_count)
    listeners = read_listeners(root, provenance.trusted_proxies, files)
    services, service_tables = read_services(root, files)
    routes = read_routes(root, service_tables, read_page)
    admin = read_admin(root, listeners, read_file)
    log = read_log(root)
    failover = read_failover(root, node, gossip)
    fronts = read_fronts(root, node, gossip, listeners, failover)
    dns = read_dns(root, services, fronts)
    root.close()
    if root.report.errors or node is None:
        return in_order(root.report.errors)
    return Settings(
        node, listeners, services, routes, workers, limits, gossip, admin, log, provenance, fronts, failover, dns
    )


def read_toml(text: str, file: str) -> Table | ConfigError:
    """The root table; or the first error of syntax, the only one tomllib tells."""
    if len(text) > CONFIG_CHARS_MAX:
        return ConfigError(file, 0, "", "", f"larger than {CONFIG_CHARS_MAX} characters; write less")
    try:
        values = tomllib.loads(text)
        lines = locate(text)
    except RecursionError:
        return ConfigError(file, 0, "", "", "arrays or tables are nested too deeply; write them flat")
    except ValueError as wrong:
        # Not only TOMLDecodeError: int() has a limit of digits of its own.
        return _syntax_error(str(wrong), text, file)
    return Table(values, (), "", Report(file, lines))


def _syntax_error(message: str, text: str, file: str) -> ConfigError:
    place = _TOML_LINE.search(message)
    if place is None:
        return ConfigError(file, 0, "", "", f"not valid TOML: {message}")
    line = int(place["line"]) if place["line"] else text.rstrip().count("\n") + 1
    return ConfigError(file, line, "", "", f"not valid TOML: {_in_words(message[: place.start()])}")


def _in_words(message: str) -> str:
    """What tomllib says, without the words of its insides, and what to do."""
    if twice := _TABLE_TWICE.match(message):
        return f"[{_dotted(twice['keys'])}] is already written further up; put these keys there"
    if closed := _TABLE_CLOSED.match(message):
        return f'"{_dotted(closed["keys"])}" is already written whole further up; put this there'
    if message == "Cannot overwrite a value":
        return "this name is already written further up; remove one of the two"
    return f"{message}; correct this line"


def _dotted(keys: str) -> str:
    """The tuple of keys in a message, as a table's header has it: "'a', 'b'" is "a.b"."""
    return ".".join(key.strip(" '\"") for key in keys.split(","))
