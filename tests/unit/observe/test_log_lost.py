"""A line that cannot be logged is lost, and nothing else is."""

import io
import json
from collections.abc import Iterator
from errno import ENOSPC
from os import strerror

import pytest
import structlog

from lbmesh.observe.logging import configure_logging


@pytest.fixture(autouse=True)
def unconfigured_again() -> Iterator[None]:
    yield
    structlog.reset_defaults()


class FullDisk(io.StringIO):
    """A stream that takes nothing, like /dev/full."""

    def write(self, text: str) -> int:
        raise OSError(ENOSPC, strerror(ENOSPC), text)


def test_a_full_disk_raises_nothing() -> None:
    configure_logging("forwarder 0", "info", FullDisk())
    structlog.get_logger("test").error("this cannot be written", fact=1)


def test_every_level_is_written() -> None:
    stream = io.StringIO()
    configure_logging("agent", "debug", stream)
    log = structlog.get_logger("test")
    for level in ("debug", "info", "warning", "error", "critical"):
        getattr(log, level)("an event", fact=level)
    try:
        raise RuntimeError("why")
    except RuntimeError:
        log.exception("a bug")
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["level"] for line in lines] == ["debug", "info", "warning", "error", "critical", "error"]
    assert "RuntimeError: why" in lines[-1]["exception"]
    assert {line["process"] for line in lines} == {"agent"}
