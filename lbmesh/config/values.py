"""Single values: from what TOML holds to what the settings hold.

Each parser takes any TOML value and raises ValueError with what to write instead; the caller knows what was
found and where.
"""

import ipaddress
import re
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from lbmesh.gossip.limits import PROFILES
from lbmesh.model.address import Address, is_ip_literal, is_name, parse_address
from lbmesh.model.networks import read_network
from lbmesh.model.provenance import ForwardedField, ProxyVersion
from lbmesh.model.traffic import Balance
from lbmesh.routing.path import routing_path

DURATION_MIN = "1ms"
DURATION_MAX_S = 24 * 3600.0
NAME_CHARS_MAX = 63
"""Nodes, zones and services: a DNS label's length (RFC 1035, 2.3.4), since names become labels later."""
PATH_CHARS_MAX = 4096
CIPHERS_CHARS_MAX = 1024
HOST_CHARS_MAX = 253
"""RFC 1035, 2.3.4."""
ADDRESS_CHARS_MAX = HOST_CHARS_MAX + len(":65535")

_DURATION = re.compile(r"(?P<number>[0-9]+(?:\.[0-9]+)?)(?P<unit>ms|s|m|h)\Z")
_UNIT_PER_S = {"ms": 1000.0, "s": 1.0, "m": 1 / 60, "h": 1 / 3600}
_NAME = re.compile(rf"[A-Za-z0-9](?:[A-Za-z0-9_.-]{{0,{NAME_CHARS_MAX - 1}}})\Z")
_URL_PATH = re.compile(r"/(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*\Z")
"""RFC 3986, 3.3: path-absolute, without query and fragment."""
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*\Z")
"""RFC 6750, 2.1: b64token."""


def duration_s(value: object, least: str = DURATION_MIN) -> float:
    """Seconds, from "250ms", "2s", "1.5m" or "1h"; from `least` to 24 h."""
    seconds = _seconds(value) if isinstance(value, str) else None
    if seconds is None:
        raise ValueError('write a duration such as "250ms", "2s", "1m"')
    if not (_seconds(least) or 0.0) <= seconds <= DURATION_MAX_S:
        raise ValueError(f'write a duration from "{least}" to "24h"')
    return seconds


def _seconds(text: str) -> float | None:
    found = _DURATION.match(text)
    return float(found["number"]) / _UNIT_PER_S[found["unit"]] if found else None


def duration_or_none_s(value: object, least: str = DURATION_MIN) -> float:
    """As `duration_s`, or 0.0 from "0s"."""
    if value == "0s":
        return 0.0
    try:
        return duration_s(value, least)
    except ValueError as wrong:
        raise ValueError(f'{wrong}; "0s" for none') from wrong


def whole_number(least: int, most: int) -> Callable[[object], int]:
    """A parser of whole numbers between two bounds, both included."""

    def parse(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise ValueError(f"write a whole number from {least} to {most}")
        return value

    return parse


def boolean(value: object) -> bool:
    """true or false."""
    if not isinstance(value, bool):
        raise ValueError("write true or false")
    return value


def name(value: object) -> str:
    """A node's, zone's or service's name."""
    if not isinstance(value, str) or not _NAME.match(value):
        raise ValueError(f'write a name such as "zone-a": letters, digits, "-", "_" and ".", at most {NAME_CHARS_MAX}')
    return value


def bind_address(value: object) -> Address:
    """An IP address and port to listen on; port 0 lets the kernel choose."""
    return _ip_address(value, '"0.0.0.0:80"', port_zero_allowed=True)


def heartbeat_address(value: object) -> Address | None:
    """As `bind_address`, or None for "off"."""
    return None if value == "off" else bind_address(value)


def reachable_address(value: object) -> Address:
    """An IP address and port that others connect to: not a wildcard."""
    address = _ip_address(value, '"10.0.1.10:7946"', port_zero_allowed=False)
    if ipaddress.ip_address(address.host).is_unspecified:
        raise ValueError('a wildcard leads nowhere: write the address others reach, such as "10.0.1.10:7946"')
    return address


def network(value: object) -> str:
    """A network, or one address."""
    if not isinstance(value, str) or len(value) > ADDRESS_CHARS_MAX:
        raise ValueError('write a network such as "10.0.0.0/8" or "2001:db8::/32", or one address')
    return str(read_network(value))


def proxies_network(value: object) -> str:
    """As `network`, but not all there is: whoever trusts anybody believes what clients make up."""
    text = network(value)
    if text.endswith("/0"):
        raise ValueError("this trusts everybody, so that a client could say it is anybody: write the proxies' networks")
    return text


def trusted_field(value: object) -> ForwardedField:
    """The field that trusted proxies write."""
    if not isinstance(value, str) or value not in (ForwardedField.X_FORWARDED, ForwardedField.FORWARDED):
        raise ValueError(f'write "{ForwardedField.X_FORWARDED}" or "{ForwardedField.FORWARDED}"')
    return ForwardedField(value)


def forwarded_field(value: object) -> ForwardedField:
    """A field that tells replicas of the client."""
    if not isinstance(value, str) or value not in set(ForwardedField):
        raise ValueError("write one of " + ", ".join(f'"{each}"' for each in ForwardedField))
    return ForwardedField(value)


def proxy_version_or_none(value: object) -> ProxyVersion | None:
    """A version of the PROXY protocol, or None for false."""
    if value is False:
        return None
    if not isinstance(value, str) or value not in set(ProxyVersion):
        raise ValueError('write "v2", or "v1" for replicas that know no other; false for none')
    return ProxyVersion(value)


def seed_address(value: object) -> Address:
    """An IP address or a name, and a port."""
    return _address(value, '"10.0.2.10:7946" or "lb-b1.example.com:7946"', port_zero_allowed=False)


def _ip_address(value: object, example: str, *, port_zero_allowed: bool) -> Address:
    address = _address(value, example, port_zero_allowed=port_zero_allowed)
    if not address.is_literal:
        raise ValueError(f"a name will not do here: write an IP address such as {example}")
    return address


def _address(value: object, example: str, *, port_zero_allowed: bool) -> Address:
    # parse_address quotes what it is given, so what would spoil a line of output stops here.
    if not isinstance(value, str) or len(value) > ADDRESS_CHARS_MAX or not value.isprintable():
        raise ValueError(f"write an address such as {example}")
    return parse_address(value, port_zero_allowed=port_zero_allowed)


def host(value: object) -> str:
    """A route's host, in lower case: a name, an IP address (IPv6 in brackets, as in a Host field),
    "*.suffix" or "*"."""
    message = 'write a host such as "shop.example.com", "*.shop.example.com" or "*"'
    if not isinstance(value, str) or len(value) > HOST_CHARS_MAX or not value.isprintable() or "%" in value:
        raise ValueError(message)
    text = value.lower()
    if text == "*" or is_ip_literal(text):
        if ":" in text:
            raise ValueError(f'an IPv6 address needs brackets: write "[{text}]"')
        return text
    if text.startswith("[") and text.endswith("]") and is_ip_literal(text[1:-1]) and ":" in text:
        return f"[{ipaddress.ip_address(text[1:-1])}]"
    if not is_name(text.removeprefix("*.")):
        if "*" in text:
            raise ValueError('a wildcard stands for whole leading labels: write "*.shop.example.com" or "*"')
        raise ValueError(message + (", without a port" if ":" in text else ""))
    return text


def path_prefix(value: object) -> str:
    """A route's path, in the form that requests are compared in, or it would match none.

    A "/" at its end means nothing, since prefixes match by whole segments.
    """
    prefix = url_path(value).rstrip("/")
    compared = routing_path(prefix.encode()).decode().rstrip("/")
    if compared != prefix:
        raise ValueError(f'requests are compared without such spellings: write "{compared or "/"}"')
    return prefix or "/"


def url_path(value: object) -> str:
    """An absolute path without query."""
    if not isinstance(value, str) or len(value) > PATH_CHARS_MAX or not _URL_PATH.match(value):
        raise ValueError('write a path that starts with "/", without query or blanks, such as "/healthz"')
    return value


E = TypeVar("E", bound=StrEnum)


def one_of(kinds: type[E]) -> Callable[[object], E]:
    """A parser of the words of an enumeration."""

    def parse(value: object) -> E:
        if not isinstance(value, str) or value not in set(kinds):
            raise ValueError("write one of " + ", ".join(f'"{kind}"' for kind in kinds))
        return kinds(value)

    return parse


def ciphers(value: object) -> str:
    """A list of TLS 1.2 ciphers in the words of openssl-ciphers(1) that names at least one this machine has."""
    # Imported here, because the sentinel reads settings too, stays light, and seldom has any to read.
    import ssl

    example = 'write names such as "ECDHE+AESGCM:ECDHE+CHACHA20", which `openssl ciphers` takes'
    if not isinstance(value, str) or not value or len(value) > CIPHERS_CHARS_MAX or not value.isascii():
        raise ValueError(example)
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_ciphers(value)
    except (ssl.SSLError, ValueError) as unknown:
        raise ValueError(f"this machine has no such cipher; {example}") from unknown
    weak = [each["name"] for each in context.get_ciphers() if each["protocol"] != "TLSv1.3" and not each["aead"]]
    if weak:
        raise ValueError(f"{weak[0]} is among them, and no AEAD (RFC 9325, 4.2); {example}")
    return value


def balance(value: object) -> Balance:
    """How a service's replicas are chosen."""
    known = ", ".join(f'"{kind}"' for kind in Balance)
    if value == "maglev":
        raise ValueError('write "ring_hash": it is Maglev')
    if not isinstance(value, str) or value not in set(Balance):
        raise ValueError(f"write one of {known}")
    return Balance(value)


def log_level(value: object) -> str:
    """The least severe event that is logged."""
    levels = ("debug", "info", "warning", "error")
    if not isinstance(value, str) or value not in levels:
        raise ValueError("write one of " + ", ".join(f'"{level}"' for level in levels))
    return value


def gossip_profile(value: object) -> str:
    """How fast gossip looks, and what that costs."""
    if not isinstance(value, str) or value not in PROFILES:
        raise ValueError("write one of " + ", ".join(f'"{profile}"' for profile in PROFILES))
    return value


def access_log(value: object) -> str:
    """Where the access log goes: "stdout", "off" or a file."""
    if isinstance(value, str) and "\0" not in value and (value in ("stdout", "off") or value[:1] == "/"):
        return value
    raise ValueError('write "stdout", "off" or an absolute path such as "/var/log/lbmesh/access.log"')


def file_path(value: object) -> Path:
    """A path of this machine, not empty."""
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError('write a path such as "/etc/lbmesh/gossip.key"')
    return Path(value)


def admin_token(text: str) -> str:
    """The token in a token file's text. Raises ValueError, which never quotes it."""
    token = text.strip()
    if not _TOKEN.match(token):
        raise ValueError(
            "the token file must hold one word of letters, digits and -._~+/; make one with `openssl rand -hex 32`"
        )
    return token
