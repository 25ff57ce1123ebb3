"""Lines out of a link's bytes, for both ends of every link between the processes of a node."""

LINE_BYTES_MAX = 1024 * 1024
"""A longer one is a bug of ours; the reader closes the link. 256 names and as many addresses of DNS have a tenth."""


class Lines:
    """One direction of one link. What has come of a line that has not ended is kept until the rest comes."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes | bytearray) -> list[bytes]:
        """The lines that end in `data`, without their newlines. Raises ValueError for one that does not end in time."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > LINE_BYTES_MAX:
            raise ValueError(f"a line of more than {LINE_BYTES_MAX} bytes")
        return lines
