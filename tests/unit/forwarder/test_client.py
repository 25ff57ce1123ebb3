"""What a client may send that is refused already."""

from contextlib import suppress

from tests.support.stepped import stepped_forwarder

PIECE = bytes(64 * 1024)


def test_who_is_refused_and_sends_on_is_not_read_from_for_ever() -> None:
    with stepped_forwarder(1) as forwarder:
        client = forwarder.send(b"GET\r\n\r\n")
        forwarder.is_told(client, 400)
        sent = 0
        while forwarder.engine.counters.connections:
            assert sent < 4 * 1024 * 1024
            with suppress(ConnectionError):
                client.send(PIECE)
            sent += len(PIECE)
            forwarder.step()
        assert sent > len(PIECE)
