"""A service's `hash` and `sticky`: which requests belong to a certain replica."""

import re

from lbmesh.config import values
from lbmesh.config.table import Table
from lbmesh.model.traffic import Balance, HashKey, SameSite, Sticky

BALANCE_FACTOR_MIN = 101
BALANCE_FACTOR_MAX = 1000
SECRET_CHARS_MIN = 16
SECRET_CHARS_MAX = 64
"""BLAKE2b takes no longer key."""

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,64}\Z")
"""RFC 9110 §5.6.2; cookies have such names too (RFC 6265 §4.1.1)."""

_COOKIE_PATH = re.compile(r"/[!-:<-~]{0,255}\Z")
_COOKIE_DOMAIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252})\Z")
_SECRET = re.compile(rf"[!-~]{{{SECRET_CHARS_MIN},{SECRET_CHARS_MAX}}}\Z")
_SAME_SITE = {each.lower(): each for each in SameSite}


def read_hash(service: Table, balance: Balance) -> HashKey | None:
    """What ring_hash looks at; an error with any other policy, and where ring_hash has nothing to look at."""
    table = service.table("hash")
    if table is None:
        if balance is Balance.RING_HASH and "hash" not in service.values:
            service.error('ring_hash needs to know what to look at; write hash = { header = "X-User" }', "balance")
        return None
    found = HashKey(
        header=table.optional("header", _field_name, None),
        cookie=table.optional("cookie", _cookie_name, None),
        path=table.optional("path", values.boolean, False),
        source=table.optional("source", values.boolean, False),
        balance_factor=table.optional("balance_factor", values.whole_number(BALANCE_FACTOR_MIN, BALANCE_FACTOR_MAX), 0),
    )
    if all(table.values.get(key, False) is False for key in ("header", "cookie", "path", "source")):
        table.error("write what of a request to look at: header, cookie, path or source")
    table.close()
    if balance is not Balance.RING_HASH:
        service.error('only ring_hash looks at it; write balance = "ring_hash", or remove it', "hash")
    return found


def read_sticky(service: Table) -> Sticky | None:
    """The cookie that keeps clients at their replica."""
    table = service.table("sticky")
    if table is None:
        return None
    default = Sticky()
    found = Sticky(
        cookie=table.optional("cookie", _cookie_name, default.cookie),
        ttl_s=table.optional("ttl", lambda value: values.duration_s(value, "1s"), default.ttl_s),
        path=table.optional("path", _cookie_path, default.path),
        domain=table.optional("domain", _cookie_domain, default.domain),
        secure=table.optional("secure", values.boolean, default.secure),
        http_only=table.optional("http_only", values.boolean, default.http_only),
        same_site=table.optional("same_site", _same_site, default.same_site),
        secret=_read_secret(table),
    )
    if found.same_site is SameSite.NONE and not found.secure:
        table.error("browsers refuse such a cookie unless it is secure; write secure = true as well", "same_site")
    _check_prefix(table, found)
    table.close()
    return found


def _check_prefix(table: Table, sticky: Sticky) -> None:
    """Browsers drop a cookie whose name promises what its attributes do not keep (RFC 6265bis §4.1.3)."""
    name = sticky.cookie.lower()
    if name.startswith(("__secure-", "__host-")) and not sticky.secure:
        table.error("browsers refuse a cookie of this name unless it is secure; write secure = true as well", "cookie")
    if name.startswith("__host-") and (sticky.domain is not None or sticky.path != "/"):
        table.error(
            "browsers refuse a cookie of this name with a domain or another path; remove them, or write another name",
            "cookie",
        )


def _field_name(value: object) -> str:
    if not isinstance(value, str) or not _TOKEN.match(value):
        raise ValueError('write a header\'s name such as "X-User"')
    return value


def _cookie_name(value: object) -> str:
    if not isinstance(value, str) or not _TOKEN.match(value):
        raise ValueError("write a cookie's name such as \"lbmesh\": letters, digits and !#$%&'*+-.^_`|~")
    return value


def _cookie_path(value: object) -> str:
    if not isinstance(value, str) or not _COOKIE_PATH.match(value):
        raise ValueError('write a path such as "/", without blanks and ";"')
    return value


def _cookie_domain(value: object) -> str:
    if not isinstance(value, str) or not _COOKIE_DOMAIN.match(value):
        raise ValueError('write a domain such as "example.com"')
    return value


def _same_site(value: object) -> SameSite:
    if not isinstance(value, str) or value.lower() not in _SAME_SITE:
        raise ValueError('write "strict", "lax" or "none"')
    return _SAME_SITE[value.lower()]


def _read_secret(table: Table) -> str:
    """Never quoted in an error."""
    table.known.add("secret")
    value = table.values.get("secret", "")
    if "secret" in table.values and (not isinstance(value, str) or not _SECRET.match(value)):
        table.error(
            f"write {SECRET_CHARS_MIN} to {SECRET_CHARS_MAX} characters without blanks, the same on every node; "
            "make them with `openssl rand -hex 16`",
            "secret",
        )
    return value if isinstance(value, str) else ""
