import contextlib
import http.client
import threading
from collections.abc import Iterator

import pytest

from tests.bench.body_origin import CHUNK_BYTES, MIB, Server


@pytest.fixture
def client() -> Iterator[http.client.HTTPConnection]:
    with Server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)) as connection:
            yield connection
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_body_down_has_the_size_asked_for_and_the_connection_lives_on(
    client: http.client.HTTPConnection, framing: str
) -> None:
    for _ in range(2):
        client.request("GET", f"/{framing}/2")
        response = client.getresponse()
        assert (response.status, len(response.read())) == (200, 2 * MIB)
        assert (response.getheader("Transfer-Encoding") == "chunked") == (framing == "chunked")


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_up_is_counted_whole(client: http.client.HTTPConnection, chunked: bool) -> None:
    pieces = [bytes(CHUNK_BYTES), bytes(1), bytes(3 * CHUNK_BYTES)]
    framing = {} if chunked else {"Content-Length": str(sum(map(len, pieces)))}
    for _ in range(2):
        client.request("PUT", "/", body=iter(pieces), headers=framing, encode_chunked=chunked)
        assert int(client.getresponse().read()) == 4 * CHUNK_BYTES + 1
