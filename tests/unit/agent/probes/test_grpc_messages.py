"""The two messages by hand agree with Google's own protocol buffers."""

import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from hypothesis import given
from hypothesis import strategies as st

from lbmesh.agent.probes.grpc_messages import METHOD_PATH, Serving, decode_response, encode_request


@given(st.text())
def test_a_request_is_what_the_library_writes(service: str) -> None:
    encoded = encode_request(service)
    assert encoded[:5] == b"\0" + (len(encoded) - 5).to_bytes(4, "big")
    assert encoded[5:] == HealthCheckRequest(service=service).SerializeToString()


@given(st.integers(0, 2**31 - 1))
def test_a_response_is_what_the_library_wrote(status: int) -> None:
    message = HealthCheckResponse(status=HealthCheckResponse.ServingStatus.ValueType(status)).SerializeToString()
    assert decode_response(b"\0" + len(message).to_bytes(4, "big") + message) == status


def test_the_names_are_the_library_s() -> None:
    assert dict(HealthCheckResponse.ServingStatus.items()) == {each.name: each.value for each in Serving}
    assert METHOD_PATH == "/grpc.health.v1.Health/Check"


unknown = st.sampled_from([b"\x10\x05", b"\x19" + b"x" * 8, b"\x22\x03abc", b"\x2d" + b"x" * 4, b"\xfa\x01\x00"])


@given(st.lists(unknown), st.lists(unknown))
def test_fields_of_later_versions_are_skipped(before: list[bytes], after: list[bytes]) -> None:
    message = b"".join([*before, b"\x08\x01", *after])
    assert decode_response(b"\0" + len(message).to_bytes(4, "big") + message) == Serving.SERVING


@given(st.binary())
def test_any_bytes_are_a_status_or_a_value_error(message: bytes) -> None:
    try:
        assert decode_response(b"\0" + len(message).to_bytes(4, "big") + message) >= 0
    except ValueError as wrong:
        assert str(wrong).isprintable()  # noqa: PT017


@pytest.mark.parametrize("message", [b"\x08", b"\x0b", b"\x08" + b"\xff" * 11, b"\x22\x05abc", b"\x19abc"])
def test_a_message_that_breaks_off_is_a_value_error(message: bytes) -> None:
    with pytest.raises(ValueError):
        decode_response(b"\0" + len(message).to_bytes(4, "big") + message)
