"""Single values of a health check: what is sent, and what is wanted back. Like `values`, they raise ValueError."""

import re

from lbmesh.config.values import HOST_CHARS_MAX, duration_s
from lbmesh.model.address import is_ip_literal, is_name, means_the_same_everywhere
from lbmesh.model.check import ProbeMethod, StatusRange

INTERVAL_MIN = "100ms"
"""Each probe is a new connection: more of them would be a load, not a question."""
TIMEOUT_MIN = "10ms"
"""Less is a busy moment of this node, not the replica's fault."""
TEXT_CHARS_MAX = 1024
"""What is sent, looked for, or wanted as a field's value."""
PATTERN_CHARS_MAX = 512
STATUS_MIN = 200
"""A 1xx is no final answer (RFC 9110, 15.2)."""
STATUS_MAX = 599
STATUS_CHARS_MAX = 256
KINDS = ("http", "tcp", "grpc")

_STATUS = re.compile(r"(?P<first>[0-9]{3})(?:-(?P<last>[0-9]{3}))?\Z")
_AUTHORITY = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^:\[\]]+)(?::(?P<port>[0-9]{1,5}))?\Z")
_FIELD_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}\Z")
"""RFC 9110, 5.6.2: token."""
_FIELD_VALUE = re.compile(r"[!-~](?:[ -~\t]*[!-~])?\Z")
_GRPC_SERVICE = re.compile(rf"[A-Za-z0-9_.:/-]{{0,{HOST_CHARS_MAX}}}\Z")
_NOT_TO_SEND = {
    "host": 'write host = "shop.internal" beside headers instead',
    **dict.fromkeys(
        ("connection", "content-length", "expect", "te", "trailer", "transfer-encoding", "upgrade"),
        "a probe has no use for this field; remove it",
    ),
}
_STATUS_ADVICE = f'write statuses from {STATUS_MIN} to {STATUS_MAX} such as "200-299,304" or [200, 204]'


def kind(value: object) -> str:
    """How the replica is asked."""
    if not isinstance(value, str) or value not in KINDS:
        raise ValueError("write one of " + ", ".join(f'"{each}"' for each in KINDS))
    return value


def interval_s(value: object) -> float:
    """How often the replica is asked."""
    return duration_s(value, INTERVAL_MIN)


def timeout_s(value: object) -> float:
    """How long an answer may take."""
    return duration_s(value, TIMEOUT_MIN)


def method(value: object) -> ProbeMethod:
    """A probe's method, which changes nothing."""
    if not isinstance(value, str) or value not in set(ProbeMethod):
        raise ValueError("write one of " + ", ".join(f'"{each}"' for each in ProbeMethod))
    return ProbeMethod(value)


def statuses(value: object) -> tuple[StatusRange, ...]:
    """Ascending ranges from 204, "200-299,304" or a list of either; those that touch become one."""
    ranges = sorted(_ranges(value))
    joined: list[StatusRange] = []
    for each in ranges:
        if joined and each.first <= joined[-1].last + 1:
            joined[-1] = StatusRange(joined[-1].first, max(joined[-1].last, each.last))
        else:
            joined.append(each)
    return tuple(joined)


def _ranges(value: object) -> list[StatusRange]:
    match value:
        case list() if value and len(value) <= STATUS_CHARS_MAX and not any(isinstance(each, list) for each in value):
            return [found for each in value for found in _ranges(each)]
        case str() if len(value) <= STATUS_CHARS_MAX:
            return [_range(part.strip()) for part in value.split(",")]
        case int() if not isinstance(value, bool) and STATUS_MIN <= value <= STATUS_MAX:
            return [StatusRange(value, value)]
        case _:
            raise ValueError(_STATUS_ADVICE)


def _range(text: str) -> StatusRange:
    found = _STATUS.match(text)
    if found is None:
        raise ValueError(_STATUS_ADVICE)
    first, last = int(found["first"]), int(found["last"] or found["first"])
    if last < first:
        raise ValueError(f'{text} runs backwards; write "{last}-{first}"')
    if first < STATUS_MIN or last > STATUS_MAX:
        raise ValueError(_STATUS_ADVICE)
    return StatusRange(first, last)


def authority(value: object) -> str:
    """A Host field or :authority: a name or an IP address, and a port if need be."""
    found = _AUTHORITY.match(value) if isinstance(value, str) and len(value) <= HOST_CHARS_MAX + 6 else None
    host = found["host"] if found else ""
    fit = is_ip_literal(host[1:-1]) and ":" in host if host.startswith("[") else is_ip_literal(host) or is_name(host)
    if found is None or not fit or not 1 <= int(found["port"] or 1) <= 65535:
        raise ValueError('write a host such as "shop.internal", "shop.internal:8080" or "[2001:db8::1]:8080"')
    return found[0]


def server_name(value: object) -> str:
    """Whom a certificate must be for."""
    if not isinstance(value, str) or not (is_name(value) or means_the_same_everywhere(value)):
        raise ValueError('write the name in the certificate, such as "shop.internal", or an IP address')
    return value


def text(value: object) -> str:
    """A text to send or to look for."""
    if not isinstance(value, str) or not value or len(value) > TEXT_CHARS_MAX:
        raise ValueError(f"write a text of 1 to {TEXT_CHARS_MAX} characters")
    return value


def pattern(value: object) -> str:
    """A regular expression."""
    # Imported here, because the sentinel reads settings too, stays light, and seldom has one to read.
    import regex

    if not isinstance(value, str) or not value or len(value) > PATTERN_CHARS_MAX:
        raise ValueError(f"write a regular expression of 1 to {PATTERN_CHARS_MAX} characters")
    try:
        regex.compile(value)
    except regex.error as wrong:
        raise ValueError(f"not a regular expression: {wrong}; correct it") from wrong
    return value


def field_name(name: str) -> str:
    """A header field's name."""
    if not _FIELD_NAME.match(name):
        raise ValueError('write a field name such as "X-Check": letters, digits and "-", at most 64')
    return name


def sent_field_name(name: str) -> str:
    """A header field's name that a probe may send."""
    if name.lower() in _NOT_TO_SEND:
        raise ValueError(_NOT_TO_SEND[name.lower()])
    return field_name(name)


def field_value(value: object) -> str:
    """A header field's value; what is wrong with it is told without it, as it may be a secret."""
    if not isinstance(value, str) or len(value) > TEXT_CHARS_MAX or not _FIELD_VALUE.match(value):
        raise ValueError(f"write a text of 1 to {TEXT_CHARS_MAX} printable ASCII characters, no blank at either end")
    return value


def wanted_value(value: object) -> str | None:
    """The value that a field of the answer must have; None, written `true`, for any."""
    if value is True:
        return None
    try:
        return field_value(value)
    except ValueError as wrong:
        raise ValueError(f"{wrong}; or true for any value") from wrong


def grpc_service(value: object) -> str:
    """A service's name as its gRPC server registers it; "" for the server as a whole."""
    if not isinstance(value, str) or not _GRPC_SERVICE.match(value):
        raise ValueError('write a service\'s name such as "shop.v1.Shop", or "" for the whole server')
    return value
