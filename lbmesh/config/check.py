"""What `lbmesh check` says."""

import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from lbmesh.config.errors import ConfigError, spell
from lbmesh.config.key_pair import validity_fault
from lbmesh.config.load import load_settings
from lbmesh.config.locate import KeyPath, locate
from lbmesh.config.settings import Settings
from lbmesh.config.table import in_order
from lbmesh.health.pace import pace_words
from lbmesh.model.front import CommandDriver, Ec2Driver
from lbmesh.model.tls import KeyPair


def check_file(path: Path, unix_s: float) -> tuple[str, ...]:
    """One line for each error in the file, in its order; none when a node can run with it, write its log, run what
    moves its fronts, and show certificates that are valid at that time.
    """
    loaded = load_settings(path)
    if isinstance(loaded, Settings):
        lines = locate(path.read_text())
        loaded = in_order(
            (
                *_access_log_errors(path, loaded, lines),
                *_front_errors(path, loaded, lines),
                *_validity_errors(path, loaded, lines, unix_s),
                *_pace_errors(path, loaded, lines),
            )
        )
    return tuple(map(str, loaded))


def _access_log_errors(path: Path, settings: Settings, lines: dict[KeyPath, int]) -> Iterator[ConfigError]:
    """A node does run without its access log, and says so in its own log; whoever checks is told before."""
    access = settings.log.access
    directory = Path(access).parent
    if access not in ("stdout", "off") and not directory.is_dir():
        message = f"there is no directory {directory}; make it, and let the user that runs lbmesh write to it"
        yield ConfigError(str(path), lines["log", "access"], "log.access", spell(access), message)


def _front_errors(path: Path, settings: Settings, lines: dict[KeyPath, int]) -> Iterator[ConfigError]:
    """A node does run without what moves a front, which it then passes on; whoever checks is told before."""
    for number, front in enumerate(settings.fronts):
        keys: KeyPath = ("front", number)
        title = f"front[{f'#{number + 1}' if ':' in front.name else front.name}]"
        match front.driver:
            case CommandDriver(run=run) if fault := _program_fault(run):
                yield ConfigError(
                    str(path), lines[(*keys, "options", "run")], f"{title}.options.run", spell(str(run)), fault
                )
            case Ec2Driver() if find_spec("boto3") is None:
                message = "this needs boto3, which is not installed; run /opt/lbmesh/bin/pip install 'lbmesh[ec2]'"
                yield ConfigError(str(path), lines[(*keys, "driver")], f"{title}.driver", spell("ec2"), message)
            case _:
                continue


def _program_fault(program: Path) -> str:
    if not program.is_file():
        return "there is no such program; install it, or correct the path"
    if not os.access(program, os.X_OK):
        return f"it may not be executed; run chmod +x {program}"
    return ""


def _pace_errors(path: Path, settings: Settings, lines: dict[KeyPath, int]) -> Iterator[ConfigError]:
    """A node does check replicas more slowly than it is told, rather than not keep up."""
    words = pace_words(settings.services)
    if words:
        services = [(len(one.replicas) / one.health.interval_s, one) for one in settings.services if one.health]
        _, busiest = max(services, key=lambda pair: pair[0])
        number = settings.services.index(busiest)
        yield ConfigError(str(path), lines["service", number, "name"], f"service[{busiest.name}].health", "", words)


def _validity_errors(path: Path, settings: Settings, lines: dict[KeyPath, int], unix_s: float) -> Iterator[ConfigError]:
    """A node does show a certificate that has expired, for want of a better one."""
    for keys, title, pair in _key_pairs(settings, lines):
        fault = validity_fault(pair, unix_s)
        if fault:
            yield ConfigError(str(path), lines[(*keys, "cert")], f"{title}.cert", "", f"{pair.cert}: {fault}")


def _key_pairs(settings: Settings, lines: dict[KeyPath, int]) -> Iterator[tuple[KeyPath, str, KeyPair]]:
    """Each with where it stands: a listener's one beside the other keys, or in a list."""
    for number, listener in enumerate(settings.listeners):
        keys: KeyPath = ("listener", number, "tls")
        title = f"listener[#{number + 1}].tls"
        for index, pair in enumerate(listener.policy.tls.key_pairs if listener.policy.tls else ()):
            if (*keys, "cert") in lines:
                yield keys, title, pair
            else:
                yield (*keys, "certificates", index), f"{title}.certificates[#{index + 1}]", pair
    for number, service in enumerate(settings.services):
        if service.tls and service.tls.key_pair:
            yield ("service", number, "tls"), f"service[{service.name}].tls", service.tls.key_pair
