"""Log lines of the agent and the forwarders have the same shape as the sentinel's."""

import io
import json
from collections.abc import Iterator

import pytest
import structlog

from lbmesh.observe.logging import configure_logging


@pytest.fixture(autouse=True)
def _unconfigured() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def test_a_line_is_a_json_object_with_the_common_fields_first() -> None:
    stream = io.StringIO()
    configure_logging("forwarder-1", "info", stream)
    structlog.get_logger().warning("replica failed", replica="10.0.0.1:80", reason="connect_refused")
    fields = json.loads(stream.getvalue())
    assert list(fields)[:4] == ["time", "level", "process", "event"]
    assert fields.pop("time").endswith("Z")
    assert fields == {
        "level": "warning",
        "process": "forwarder-1",
        "event": "replica failed",
        "replica": "10.0.0.1:80",
        "reason": "connect_refused",
    }


def test_lines_below_the_level_are_left_out() -> None:
    stream = io.StringIO()
    configure_logging("agent", "warning", stream)
    structlog.get_logger().info("quiet")
    structlog.get_logger().error("loud")
    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["loud"]


def test_an_exception_stays_on_its_line() -> None:
    stream = io.StringIO()
    configure_logging("agent", "info", stream)
    try:
        raise ValueError("deep down")
    except ValueError:
        structlog.get_logger().exception("failed")
    (line,) = stream.getvalue().splitlines()
    assert "ValueError: deep down" in json.loads(line)["exception"]
