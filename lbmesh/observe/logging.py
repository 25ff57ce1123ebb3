"""How the agent and the forwarders log: structlog to stderr, JSON lines unless a terminal reads them."""

import logging
import sys
from contextlib import suppress
from typing import TextIO

import structlog

_FIRST = ("time", "level", "process", "event")


def configure_logging(process: str, level: str, stream: TextIO | None = None) -> None:
    """Set up logging for this process, named in each line. `level`: debug, info, warning or error.

    A line is {"time", "level", "process", "event", …}: short words for `event`, facts in keys of their own.
    """
    stream = sys.stderr if stream is None else stream
    render: structlog.typing.Processor
    if stream.isatty():
        render = structlog.dev.ConsoleRenderer(timestamp_key="time", sort_keys=False)
    else:
        render = structlog.processors.JSONRenderer(ensure_ascii=False)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            structlog.processors.format_exc_info,
            _name_the_process(process),
            _in_order,
            render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=lambda *_: _Writer(stream),
        cache_logger_on_first_use=True,
    )


class _Writer:
    """Writes lines. One that cannot be written (a full disk, a reader that is gone) is lost, and nothing else is."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def _write(self, line: str) -> None:
        with suppress(OSError):
            self._stream.write(line + "\n")
            self._stream.flush()

    debug = info = warning = error = critical = exception = msg = _write


def _name_the_process(process: str) -> structlog.typing.Processor:
    def add(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        event["process"] = process
        return event

    return add


def _in_order(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """The fields that every line has go first, so that lines of all processes read alike."""
    return {key: event.pop(key) for key in _FIRST if key in event} | dict(event)
