"""Where each key of a TOML text stands, which tomllib does not say (docs/adr/0002).

The text has already been accepted by tomllib, so this scanner only has to find its way, never to judge:
it knows what can begin and end a key, a string, an array and a table, and nothing of values.
"""

import re
import tomllib
from bisect import bisect_right

KeyPath = tuple[str | int, ...]
"""From the root to a value: keys of tables, and indexes (from 0) into arrays."""

_FILLER = re.compile(r"(?:[ \t\n]|#[^\n]*)*+")
_BLANK = re.compile(r"[ \t]*+")
_KEY = re.compile(r"""[A-Za-z0-9_-]++|"(?:\\.|[^"\\])*+"|'[^']*+'""")
_SCALAR = re.compile(
    r'''
      """(?:\\.|[^\\])*?"""(?:"{0,2})      # the content may itself end with one or two quotes
    | \'\'\'.*?\'\'\'(?:'{0,2})
    | "(?:\\.|[^"\\])*+"
    | '[^']*+'
    | [^,\]}\#\n]++                        # a number, a boolean, a date
    ''',
    re.DOTALL | re.VERBOSE,
)


def locate(text: str) -> dict[KeyPath, int]:
    """The line (from 1) of every table, key and array element of a text that tomllib accepts.

    A table that only its descendants' headers mention has the line of the first of them.
    """
    return _Scanner(text.replace("\r\n", "\n")).scan()


class _Scanner:
    """Walks the text once. `at` is the offset of what comes next."""

    __slots__ = ("at", "entries", "line_starts", "lines", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.lines: dict[KeyPath, int] = {}
        self.entries: dict[KeyPath, int] = {}
        """How many [[headers]] each array of tables has had so far."""
        self.line_starts = [0, *(found.end() for found in re.finditer("\n", text))]

    def scan(self) -> dict[KeyPath, int]:
        table: KeyPath = ()
        self._skip(_FILLER)
        while self.at < len(self.text):
            if self.text.startswith("[", self.at):
                table = self._header()
            else:
                self._pair(table)
            self._skip(_FILLER)
        return self.lines

    def _header(self) -> KeyPath:
        line = self._line()
        is_entry = self.text.startswith("[[", self.at)
        self.at += 2 if is_entry else 1
        *parents, last = self._keys()
        self.at += 2 if is_entry else 1
        path: KeyPath = ()
        for key in parents:
            path = self._newest((*path, key))
            self.lines.setdefault(path, line)
        path = (*path, last)
        if not is_entry:
            self.lines[path] = line
            return path
        self.lines.setdefault(path, line)
        self.entries[path] = self.entries.get(path, 0) + 1
        self.lines[self._newest(path)] = line
        return self._newest(path)

    def _newest(self, path: KeyPath) -> KeyPath:
        """The last entry of an array of tables, to which headers below it belong; else the path itself."""
        count = self.entries.get(path)
        return path if count is None else (*path, count - 1)

    def _pair(self, table: KeyPath) -> None:
        line = self._line()
        path = table
        for key in self._keys():
            path = (*path, key)
            self.lines.setdefault(path, line)
        self.at += len("=")
        self._skip(_BLANK)
        self._value(path)

    def _keys(self) -> list[str]:
        """The parts of a dotted key, with the blanks around it."""
        keys = []
        while True:
            self._skip(_BLANK)
            keys.append(_plain(self._take(_KEY)))
            self._skip(_BLANK)
            if not self.text.startswith(".", self.at):
                return keys
            self.at += len(".")

    def _value(self, path: KeyPath) -> None:
        match self.text[self.at]:
            case "[":
                self._array(path)
            case "{":
                self._inline_table(path)
            case _:
                self._take(_SCALAR)

    def _array(self, path: KeyPath) -> None:
        self.at += len("[")
        index = 0
        self._skip(_FILLER)
        while not self.text.startswith("]", self.at):
            self.lines[(*path, index)] = self._line()
            self._value((*path, index))
            index += 1
            self._separator()
        self.at += len("]")

    def _inline_table(self, path: KeyPath) -> None:
        self.at += len("{")
        self._skip(_FILLER)
        while not self.text.startswith("}", self.at):
            self._pair(path)
            self._separator()
        self.at += len("}")

    def _separator(self) -> None:
        self._skip(_FILLER)
        if self.text.startswith(",", self.at):
            self.at += len(",")
            self._skip(_FILLER)

    def _skip(self, pattern: re.Pattern[str]) -> None:
        self._take(pattern)

    def _take(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self.text, self.at)
        if found is None:
            raise AssertionError(f"tomllib accepted what the locator cannot read, at line {self._line()}")
        self.at = found.end()
        return found.group()

    def _line(self) -> int:
        return bisect_right(self.line_starts, self.at)


def _plain(key: str) -> str:
    """A key as tomllib returns it: without quotes, its escapes resolved."""
    if key[0] == '"':
        return str(tomllib.loads(f"key = {key}")["key"])
    return key[1:-1] if key[0] == "'" else key
