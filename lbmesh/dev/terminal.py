"""Writing to a person: colours where there is a terminal, and a last line that is written over."""

import os
import shutil
import time
from typing import TextIO

BOLD, DIM, RED, GREEN, YELLOW = "1", "2", "31", "32", "33"
PLAIN_EVERY_S = 5.0
"""Without a terminal the live line is written only so often: it goes into somebody's log."""


class Terminal:
    """One stream. Not for use by two tasks at once within a line."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._is_tty = stream.isatty()
        self._colours = self._is_tty and "NO_COLOR" not in os.environ
        self._live = False
        self._last_plain_s = float("-inf")

    def paint(self, text: str, *codes: str) -> str:
        """The text in these colours; as it is where there are none."""
        return f"\x1b[{';'.join(codes)}m{text}\x1b[0m" if self._colours and codes else text

    def say(self, *lines: str) -> None:
        """Write lines; they stay, above the live line. Raises OSError, once, when nobody reads any more."""
        clear = "\r\x1b[K" if self._live else ""
        self._live = False
        self._write(clear + "".join(line + "\n" for line in lines))

    def live(self, text: str) -> None:
        """Write the live line over the one before. `text` has no colours, so that it can be cut to fit.

        Raises OSError as `say` does.
        """
        if self._is_tty:
            self._live = True
            self._write("\r\x1b[K" + text[: shutil.get_terminal_size().columns - 1])
        elif time.monotonic() - self._last_plain_s >= PLAIN_EVERY_S:
            self._last_plain_s = time.monotonic()
            self._write(text + "\n")

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except OSError:
            # What is still buffered must not fail again, now or when the interpreter flushes at its exit.
            with open(os.devnull, "wb") as nowhere:
                os.dup2(nowhere.fileno(), self._stream.fileno())
            raise
