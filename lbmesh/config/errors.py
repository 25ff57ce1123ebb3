"""What is wrong with a configuration file: where, what was found, what to write instead."""

import json
import re
from dataclasses import dataclass
from datetime import date, datetime, time

FOUND_CHARS_MAX = 80
"""A found value longer than this is cut in the message."""

_ENTRY = re.compile(r"(?P<array>\w+)\[(?P<label>[^\]]*)\](?:\.(?P<rest>.*))?\Z", re.DOTALL)


@dataclass(frozen=True, slots=True)
class ConfigError:
    """One error, made to be read by whoever wrote the file.

    `line`: counted from 1; 0 when the file as a whole is meant. `path`: "service[shop].health.interval", or
    "service[#2].name" when the second service has no usable name; "" when no key is meant. `found`: the value
    as TOML spells it; "" when nothing is there, or when it must not be shown. `message`: what to write.
    """

    file: str
    line: int
    path: str
    found: str
    message: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        parts = [where, *_place(self.path)]
        # parse_address and its like quote what they found themselves.
        if self.found and not (self.found.startswith('"') and self.found in self.message):
            return ": ".join([*parts, f"found {self.found}; {self.message}"])
        return ": ".join([*parts, self.message])


def _place(path: str) -> list[str]:
    """The path in words: `service[shop].health.interval` is `service "shop"`, `health.interval`."""
    entry = _ENTRY.match(path)
    if entry is None:
        return [path] if path else []
    label = entry["label"]
    title = f"{entry['array']} {label}" if label.startswith("#") else f'{entry["array"]} "{label}"'
    return [title, entry["rest"]] if entry["rest"] else [title]


def spell(value: object) -> str:
    """A TOML value as a short, single-line text: "1 second" with its quotes, `true`, `an array`."""
    match value:
        case str():
            text = json.dumps(value[:FOUND_CHARS_MAX], ensure_ascii=False)
            return text if len(value) <= FOUND_CHARS_MAX else f"{text} (cut)"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return f"{value:.6g}" if abs(value) >= 10**18 else str(value)
        case datetime() | date() | time():
            return value.isoformat()
        case list():
            return "an array" if value else "an empty array"
        case dict():
            return "a table"
        case _:
            return type(value).__name__
