"""A table of header fields, or of anything else that has a name and a value on the wire."""

from collections.abc import Callable
from typing import TypeVar

from lbmesh.config.table import Table

V = TypeVar("V")

FIELDS_MAX = 16


def read_fields(
    above: Table,
    key: str,
    parse_name: Callable[[str], str],
    parse_value: Callable[[object], V],
    *,
    has_case: bool = False,
) -> tuple[tuple[str, V], ...]:
    """The table under a key, by name. Values are never quoted: what a probe sends may be a secret.

    `has_case`: names that differ in their case alone are different.
    """
    table = above.table(key)
    if table is None:
        return ()
    if len(table.values) > FIELDS_MAX:
        above.error(f"more than {FIELDS_MAX} fields; write fewer", key)
        return ()
    good: dict[str, tuple[str, V]] = {}
    for name, value in table.values.items():
        try:
            field = parse_name(name), parse_value(value)
        except ValueError as wrong:
            table.error(str(wrong), name)
            continue
        same = name if has_case else name.lower()
        if same in good:
            table.error("this field is there already, as names have no case; remove one", name)
        good.setdefault(same, field)
    return tuple(good.values())
