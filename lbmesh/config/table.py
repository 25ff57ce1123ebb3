"""Reading one table of the file: every key asked for, every error noted with its line, nothing raised."""

import difflib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from lbmesh.config.errors import FOUND_CHARS_MAX, ConfigError, spell
from lbmesh.config.locate import KeyPath
from lbmesh.model.tls import KeyPair

T = TypeVar("T")
Parse = Callable[[object], T]
"""From a TOML value to a setting; raises ValueError with what to write instead."""

ReadFile = Callable[[Path], str]
"""A file's text; may raise OSError, whose `strerror` says what to do about it, and ValueError."""

ReadKeyPair = Callable[[Path, Path], KeyPair]
"""The pair in two files, of a certificate and of its key; raises `key_pair.PairError`."""


@dataclass(frozen=True, slots=True)
class Files:
    """What a file's keys name on this machine, as `load` reads it: `certificates` a PEM of authorities."""

    certificates: ReadFile
    key_pair: ReadKeyPair


ITEMS_MAX = 256
"""Hosts or paths of one route, or seeds: hosts times paths are compared one by one."""

_BARE_KEY = re.compile(rf"[A-Za-z0-9_-]{{1,{FOUND_CHARS_MAX}}}\Z")


@dataclass(slots=True)
class Report:
    """The errors found so far in one file, and where its keys stand."""

    file: str
    lines: dict[KeyPath, int]
    errors: list[ConfigError] = field(default_factory=list)

    def line(self, keys: KeyPath) -> int:
        """The line of a value, or of the nearest thing around it that is written out."""
        while keys and keys not in self.lines:
            keys = keys[:-1]
        return self.lines.get(keys, 1)


@dataclass(slots=True)
class Table:
    """One table. `keys` leads to it, `path` names it to people: "service[shop].health", "" for the root.

    The keys asked for are the keys that exist, so `close` can report all others.
    """

    values: dict[str, object]
    keys: KeyPath
    path: str
    report: Report
    known: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)

    def required(self, key: str, parse: Parse[T], example: str) -> T | None:
        """The key's value, or None after noting what is wrong. `example` is as TOML spells it."""
        if key not in self.values:
            self.known.add(key)
            self.error(f"missing; write {key} = {example}", key)
            return None
        return self.optional(key, parse, None)

    def optional(self, key: str, parse: Parse[T], default: T) -> T:
        """The key's value; the default when it is not there, or is wrong and has been noted."""
        self.known.add(key)
        if key not in self.values:
            return default
        try:
            return parse(self.values[key])
        except ValueError as wrong:
            self.error(str(wrong), key, found=self.values[key])
            return default

    def items(self, key: str, parse: Parse[T], default: tuple[T, ...], example: str) -> tuple[T, ...]:
        """An array's elements that are right; the others are noted one by one. 1 to ITEMS_MAX of them."""
        self.known.add(key)
        if key not in self.values:
            return default
        values = self.values[key]
        if not isinstance(values, list) or not values:
            self.error(f"write an array such as {example}", key, found=values)
            return ()
        if len(values) > ITEMS_MAX:
            self.error(f"more than {ITEMS_MAX} elements; write fewer, or several tables", key)
            return ()
        good = []
        for index, value in enumerate(values):
            try:
                good.append(parse(value))
            except ValueError as wrong:
                self.error(str(wrong), key, index, found=value)
        return tuple(good)

    def table(self, key: str, instead: str = "") -> "Table | None":
        """The table under a key; None when there is none. `instead`: what else may be written there."""
        self.known.add(key)
        value = self.values.get(key)
        if isinstance(value, dict):
            return Table(value, (*self.keys, key), _join(self.path, key), self.report)
        if value is not None:
            example = f"{key} = {{ … }}" if self.path else f"[{key}]"
            self.error(f"write a table: {example}" + (f", or {instead}" if instead else ""), key, found=value)
        return None

    def tables(self, key: str, label: str | None = None) -> "list[Table]":
        """An array's tables, named by what stands under `label` if that is fit, else by number."""
        self.known.add(key)
        values = self.values.get(key, [])
        if not isinstance(values, list):
            example = f"{key} = [{{ … }}]" if self.path else f"[[{key}]]"
            self.error(f"write an array of tables: {example}", key, found=values)
            return []
        found = []
        for index, value in enumerate(values):
            if not isinstance(value, dict):
                self.error("write a table: { … }", key, index, found=value)
                continue
            title = value.get(label) if label else None
            fit = isinstance(title, str) and re.fullmatch(r"[A-Za-z0-9_.-]{1,63}", title)
            path = f"{_join(self.path, key)}[{title if fit else f'#{index + 1}'}]"
            found.append(Table(value, (*self.keys, key, index), path, self.report))
        return found

    def not_yet(self, key: str) -> None:
        """A key of the contract that this version cannot honour: said aloud, never ignored."""
        self.refused.add(key)
        if key in self.values:
            self.error("this version does not have it; remove it", key)

    def close(self) -> None:
        """Note every key that nobody asked for, with the one that was probably meant."""
        known = sorted(self.known)
        for key in self.values.keys() - self.known - self.refused:
            near = difflib.get_close_matches(key, known, n=1)
            advice = f"write {near[0]}" if near else "remove it, or write one of " + ", ".join(known)
            self.error(f"unknown key; {advice}", key)

    def error(self, message: str, *below: str | int, found: object = None) -> None:
        """Note an error about this table, or about what stands below it."""
        path = self.path
        for step in below:
            path = f"{path}[#{step + 1}]" if isinstance(step, int) else _join(path, step)
        shown = "" if found is None else spell(found)
        self.report.errors.append(ConfigError(self.report.file, self.line(*below), path, shown, message))

    def line(self, *below: str | int) -> int:
        """The line of this table, or of what stands below it."""
        return self.report.line((*self.keys, *below))


def _join(path: str, key: str) -> str:
    shown = key if _BARE_KEY.match(key) else json.dumps(key[:FOUND_CHARS_MAX])
    return f"{path}.{shown}" if path else shown


def in_order(errors: Sequence[ConfigError]) -> tuple[ConfigError, ...]:
    """As a reader of the file meets them."""
    return tuple(sorted(errors, key=lambda error: (error.line, error.path, error.message)))
