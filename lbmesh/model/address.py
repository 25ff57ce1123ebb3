"""An address: where a socket listens or connects to."""

import ipaddress
import re
from dataclasses import dataclass

PORT_DIGITS_MAX = 5

_SCOPE = re.compile(r"[A-Za-z0-9_.-]{1,15}\Z")
"""The name or number of an interface (IFNAMSIZ is 16), after the % of a link-local address (RFC 4007, 11)."""

_NAME = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9_][A-Za-z0-9_-]{0,62}(?:\.[A-Za-z0-9_][A-Za-z0-9_-]{0,62})*\Z")


@dataclass(frozen=True, slots=True, order=True)
class Address:
    """A host (IPv4 or IPv6 literal without brackets, or a name) and a TCP or UDP port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_literal(self) -> bool:
        """True when the host is an IP address, so that nothing need be resolved."""
        return is_ip_literal(self.host)

    @property
    def is_loopback(self) -> bool:
        """True for loopback literals and the name "localhost"."""
        if not self.is_literal:
            return self.host == "localhost"
        return ipaddress.ip_address(self.host).is_loopback


def is_ip_literal(host: str) -> bool:
    """True when `host` is an IPv4 or IPv6 address without brackets, with a scope or without."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return "%" not in host or _SCOPE.match(host.partition("%")[2]) is not None


def means_the_same_everywhere(host: str) -> bool:
    """True for an IP address without a scope: an interface's name says nothing to another machine."""
    return "%" not in host and is_ip_literal(host)


def is_unspecified(host: str) -> bool:
    """True for 0.0.0.0 and "::", where a socket listens on all of the machine's addresses."""
    return is_ip_literal(host) and ipaddress.ip_address(host).is_unspecified


def is_name(host: str) -> bool:
    """True when `host` could be a DNS name; digits and dots alone are a mistyped IPv4 address."""
    return _NAME.match(host) is not None and not host.replace(".", "").isdigit()


def parse_address(text: str, *, port_zero_allowed: bool = False) -> Address:
    """Parse "10.0.0.1:80", "[::1]:80" or "name:80".

    Raises ValueError, with a message that says what to write, for anything else.
    """
    host, separator, port_text = text.rpartition(":")
    if not separator or not port_text.isascii() or not port_text.isdigit():
        raise ValueError(f'"{text}" has no port: write "host:port", for example "10.0.0.1:80" or "[::1]:80"')
    # Thousands of digits would make int() itself raise, with a message of its own.
    port = int(port_text) if len(port_text) <= PORT_DIGITS_MAX else -1
    if not (0 if port_zero_allowed else 1) <= port <= 65535:
        raise ValueError(f'port {port_text} in "{text}" is out of range: write a port from 1 to 65535')
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
        if not is_ip_literal(host) or ":" not in host:
            raise ValueError(f'"[{host}]" is not an IPv6 address: write, for example, "[::1]:{port}"')
    elif ":" in host:
        raise ValueError(f'an IPv6 address needs brackets: write "[{host}]:{port}"')
    elif not is_ip_literal(host) and not is_name(host):
        raise ValueError(f'"{host}" is neither an IP address nor a host name: write, say, "10.0.0.1:{port}"')
    if is_ip_literal(host):
        host = str(ipaddress.ip_address(host))
    return Address(host, port)
