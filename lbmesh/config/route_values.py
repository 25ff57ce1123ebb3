"""Single values of a route's rules. Like `values`, they raise ValueError with what to write instead."""

import re
from collections.abc import Callable, Collection
from datetime import UTC, datetime

from lbmesh.config.health_values import field_name, field_value
from lbmesh.config.values import PATH_CHARS_MAX, host, url_path
from lbmesh.http1.fields import HOP_BY_HOP, is_claim
from lbmesh.routing.path import routing_path
from lbmesh.routing.redirect import parse_redirect_target
from lbmesh.routing.template import parse_template

SIZE_MAX = 1 << 40
REDIRECT_STATUSES = (301, 302, 303, 307, 308)
FIELDS_MAX = 32
"""Fields of one kind of edit."""

_SIZE = re.compile(r"(?P<number>[0-9]{1,13})(?P<unit>B|KiB|MiB|GiB)\Z")
_UNIT_BYTES = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_METHOD = re.compile(r"[A-Z][A-Z-]{0,31}\Z")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}\Z")
_CONTENT_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+(?: *; *[A-Za-z0-9-]+=[A-Za-z0-9._-]+)*\Z")
_ARGUMENT = re.compile(r"[A-Za-z0-9._~:@!$'()*,;/?-]{1,64}\Z")
_TO = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2}|\\(?:[1-9][0-9]?|g<[A-Za-z_][A-Za-z0-9_]*>))*\Z")
_GROUP = re.compile(r"\\(?:(?P<number>[1-9][0-9]?)|g<(?P<name>\w+)>)")

_FRAMING = frozenset({b"content-length", b"transfer-encoding", b"trailer"})
_OWN = frozenset({b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"forwarded", b"via", b"x-request-id"})


def size_bytes(value: object) -> int:
    """Bytes, from "512B", "64KiB", "10MiB" or "1GiB"; up to 1 TiB."""
    found = _SIZE.match(value) if isinstance(value, str) else None
    size = int(found["number"]) * _UNIT_BYTES[found["unit"]] if found else -1
    if not 0 <= size <= SIZE_MAX:
        raise ValueError('write a size such as "512B", "64KiB", "10MiB" or "1GiB", at most "1024GiB"')
    return size


def exact_path(value: object) -> str:
    """A whole path, in the form that requests are compared in, or it would match none."""
    path = url_path(value)
    compared = routing_path(path.encode()).decode()
    if compared != path:
        raise ValueError(f'requests are compared without such spellings: write "{compared}"')
    return path


def method(value: object) -> str:
    """A method's name."""
    if not isinstance(value, str) or not _METHOD.match(value):
        raise ValueError('write a method in capitals, such as "GET"')
    return value


def matched_field_name(name: str) -> str:
    """A field that conditions can look at."""
    key = name.lower().encode(errors="replace")
    if key in HOP_BY_HOP | _FRAMING or is_claim(key):
        raise ValueError("requests are routed without this field, which means nothing beyond one connection; remove it")
    if key == b"host":
        raise ValueError("write hosts of the route instead")
    return field_name(name)


def argument_name(name: str) -> str:
    """An argument of the query."""
    if not _ARGUMENT.match(name):
        raise ValueError('write the name of an argument such as "beta": letters, digits and -._~, at most 64')
    return name


def token(value: object) -> str:
    """The name of a cookie or a field."""
    if not isinstance(value, str) or not _TOKEN.match(value):
        raise ValueError("write a name of letters, digits and -._~, at most 64")
    return value


def one_of(known: Collection[str]) -> Callable[[object], str]:
    """A parser of one word among some."""

    def parse(value: object) -> str:
        if not isinstance(value, str) or value not in known:
            raise ValueError("write one of " + ", ".join(f'"{each}"' for each in known))
        return value

    return parse


def redirect_status(value: object) -> int:
    """RFC 9110, 15.4."""
    if not isinstance(value, int) or isinstance(value, bool) or value not in REDIRECT_STATUSES:
        raise ValueError("write one of " + ", ".join(map(str, REDIRECT_STATUSES)))
    return value


def redirect_target(value: object) -> str:
    """A URL or a path, with variables."""
    if not isinstance(value, str) or len(value) > PATH_CHARS_MAX:
        raise ValueError('write a URL such as "https://{host}{path}{query}"')
    parse_redirect_target(value)
    return value


def single_host(value: object) -> str:
    """A host without wildcard and port."""
    if not isinstance(value, str) or "*" in value:
        raise ValueError('write a host such as "www.example.com"')
    return host(value)


def replacement(value: object) -> str:
    """What a pattern's matches become."""
    if not isinstance(value, str) or len(value) > PATH_CHARS_MAX or not _TO.match(value):
        raise ValueError(r"write characters of a path, and groups as \1 or \g<name>, such as '/items/\1'")
    return value


def unknown_group(to: str, regex_text: str) -> str | None:
    """The first group in `to` that the pattern does not have."""
    import regex

    compiled = regex.compile(regex_text)
    for found in _GROUP.finditer(to):
        known = found["name"] in compiled.groupindex if found["name"] else int(found["number"]) <= compiled.groups
        if not known:
            return found[0]
    return None


def edited_field_name(name: str) -> str:
    """A field that a rule may set, add or remove: not one that framing, routing or the connection depends on."""
    key = name.lower().replace("_", "-").encode(errors="replace")
    if key in _FRAMING:
        raise ValueError("it says where the message ends, which lbmesh alone decides (RFC 9112, 6); remove this")
    if key in HOP_BY_HOP:
        raise ValueError("it is for one connection, and never passed on (RFC 9110, 7.6.1); remove this")
    return field_name(name)


def request_field_name(name: str) -> str:
    """A field of a request that a rule may edit."""
    key = name.lower().replace("_", "-").encode(errors="replace")
    if key == b"host":
        raise ValueError('write rewrite = { host = "internal.example" } instead')
    if key == b"expect":
        raise ValueError("lbmesh answers for what a request expects (RFC 9110, 10.1.1); remove this")
    if key in _OWN or (key == b"x-real-ip" and "_" in name):
        raise ValueError("lbmesh puts this field in itself; remove this, or write another name")
    return edited_field_name(name)


def response_field_name(name: str) -> str:
    """A field of an answer that a rule may edit."""
    if name.lower() == "via":
        raise ValueError("lbmesh puts this field in itself (RFC 9110, 7.6.3); remove this")
    return edited_field_name(name)


def template(variables: Collection[str]) -> Callable[[object], str]:
    """A parser of field values with variables."""

    def parse(value: object) -> str:
        text = field_value(value)
        parse_template(text, variables)
        return text

    return parse


def content_type(value: object) -> str:
    """RFC 9110, 8.3.1."""
    if not isinstance(value, str) or len(value) > 128 or not _CONTENT_TYPE.match(value):
        raise ValueError('write a media type such as "text/html; charset=utf-8"')
    return value


def percent(value: object) -> float:
    """More than 0, at most 100."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value <= 100:
        raise ValueError("write a number above 0, and at most 100")
    return float(value)


def http_date(value: object) -> str:
    """A date-time of TOML with its offset, as Retry-After has it (RFC 9110, 5.6.7)."""
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise ValueError("write a date and time with its offset, without quotes, such as 2026-07-01T06:00:00Z")
    return value.astimezone(UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
