"""Single values of [[front]]: from what TOML holds to what the settings hold, as in `values`."""

import ipaddress
import re
from pathlib import Path

from lbmesh.config import values

COMMAND_TIMEOUT_MAX_S = 12.0
"""The core takes an order for failed after 15 s: a program must have been stopped by then."""

CHECK_MIN_S = 1.0

_BIRD_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,62}", re.ASCII)


def front_address(value: object) -> str:
    """The address that clients use: one that other machines can reach, without a port."""
    example = 'write an address without a port, such as "203.0.113.10" or "2001:db8::10"'
    if not isinstance(value, str) or len(value) > values.ADDRESS_CHARS_MAX:
        raise ValueError(example)
    try:
        address = ipaddress.ip_address(value)
    except ValueError as wrong:
        raise ValueError(example) from wrong
    if address.is_unspecified or address.is_multicast or getattr(address, "scope_id", None):
        raise ValueError(f"clients of other machines cannot use it; {example}")
    if mapped := getattr(address, "ipv4_mapped", None):
        raise ValueError(f'on the wire this is an address of IPv4; write "{mapped}"')
    return str(address)


def interface_name(value: object) -> str:
    """A network interface's name (IFNAMSIZ is 16)."""
    if not isinstance(value, str) or not 1 <= len(value) <= 15 or not value.isprintable() or set(value) & set("/ :"):
        raise ValueError('write an interface such as "eth0"')
    return value


def bird_protocol(value: object) -> str:
    """The name of a protocol in BIRD's configuration: a symbol, or one in single quotes (BIRD 2 manual, 3.1)."""
    if not isinstance(value, str) or not _BIRD_NAME.fullmatch(value):
        raise ValueError(
            'write the name of a static protocol in bird.conf, such as "front_a": letters, digits, "_", "-"'
        )
    return value


def absolute_path(value: object) -> Path:
    """An absolute path."""
    path = values.file_path(value)
    if not path.is_absolute():
        raise ValueError("write an absolute path")
    return path


def command_timeout_s(value: object) -> float:
    """How long a program may take."""
    seconds = values.duration_s(value)
    if seconds > COMMAND_TIMEOUT_MAX_S:
        raise ValueError(
            f'who says nothing for longer has failed: write at most "{COMMAND_TIMEOUT_MAX_S:g}s", and where a move '
            "takes longer have the program exit with status 75: it is run again"
        )
    return seconds


def check_interval_s(value: object) -> float:
    """Between two runs that only look; 0.0 for none."""
    seconds = values.duration_or_none_s(value)
    if 0 < seconds < CHECK_MIN_S:
        raise ValueError(f'write at least "{CHECK_MIN_S:g}s", or "0s" for no checks')
    return seconds
