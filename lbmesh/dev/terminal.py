"""Writing to a person: colours where there is a terminal, and last lines that are written over."""

import os
import shutil
import time
from typing import TextIO

BOLD, DIM, RED, GREEN, YELLOW = "1", "2", "31", "32", "33"
PLAIN_EVERY_S = 5.0
"""Without a terminal the live lines are written only so often: it goes into somebody's log."""


_CLEAR = "\r\x1b[J"
"""From the first live line, where the cursor is left, to the end of the screen."""


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
        """Write lines; they stay, above the live ones. Raises OSError, once, when nobody reads any more."""
        clear = _CLEAR if self._live else ""
        self._live = False
        self._write(clear + "".join(line + "\n" for line in lines))

    def live(self, *lines: str) -> None:
        """Write the live lines over those before. They have no colours, so that they can be cut to fit.

        Raises OSError as `say` does.
        """
        if self._is_tty:
            self._live = True
            width = shutil.get_terminal_size().columns - 1
            back_up = f"\x1b[{len(lines) - 1}A" if len(lines) > 1 else ""
            self._write(_CLEAR + "\n".join(line[:width] for line in lines) + back_up)
        elif time.monotonic() - self._last_plain_s >= PLAIN_EVERY_S:
            self._last_plain_s = time.monotonic()
            self._write(" | ".join(lines) + "\n")

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except OSError:
            # What is still buffered must not fail again, now or when the interpreter flushes at its exit.
            with open(os.devnull, "wb") as nowhere:
                os.dup2(nowhere.fileno(), self._stream.fileno())
            raise
