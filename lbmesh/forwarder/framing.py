"""Where a body ends: counted or followed, never collected."""

from lbmesh.http1.chunked import ChunkScanner
from lbmesh.http1.message import CHUNKED, UNTIL_CLOSE


class BodyReader:
    """Cuts a stream into one body and what follows it.

    `done`: the body is complete. `rest`: bytes after its end. `fault`: why it is malformed, or "".
    `payload_only` (chunked bodies): take the data out of its framing, for a recipient that knows no chunks.
    `content_bytes`: data of a chunked body so far, its framing left out; only while `counts_content`.
    """

    __slots__ = (
        "_partial",
        "_payload_only",
        "_remaining",
        "_scanner",
        "content_bytes",
        "counts_content",
        "done",
        "fault",
        "rest",
    )

    def __init__(self, length: int, *, payload_only: bool = False) -> None:
        self._remaining = length
        self._scanner = ChunkScanner() if length == CHUNKED else None
        self._payload_only = payload_only
        self._partial = b""
        self.done = length == 0
        self.rest = b""
        self.fault = ""
        self.counts_content = False
        self.content_bytes = 0

    @property
    def missing(self) -> int:
        """Bytes still to come; CHUNKED or UNTIL_CLOSE when nobody knows."""
        return self._remaining

    def take(self, data: bytes) -> bytes:
        """What of `data` is to be sent on. An unfinished line of chunk framing is held back."""
        if self._scanner is not None:
            return self._take_chunked(self._scanner, data)
        if self._remaining == UNTIL_CLOSE:
            return data
        if len(data) > self._remaining:
            self.rest = data[self._remaining :]
            data = data[: self._remaining]
        self._remaining -= len(data)
        self.done = self._remaining == 0
        return data

    def _take_chunked(self, scanner: ChunkScanner, data: bytes) -> bytes:
        if self._partial:
            data = self._partial + data
        scan = scanner.scan(data)
        self.done = scan.done
        self.fault = scan.fault
        if self.counts_content:
            self.content_bytes += sum(end - start for start, end in scan.payload)
        if scan.done:
            self.rest = data[scan.consumed :]
        else:
            self._partial = data[scan.consumed :]
        if self._payload_only:
            return b"".join(data[start:end] for start, end in scan.payload)
        if scan.extensions:
            return _without(data[: scan.consumed], scan.extensions)
        return data[: scan.consumed] if scan.consumed < len(data) else data


def _without(data: bytes, slices: tuple[tuple[int, int], ...]) -> bytes:
    """`data` without these slices, which stand in their order."""
    kept = []
    position = 0
    for start, end in slices:
        kept.append(data[position:start])
        position = end
    kept.append(data[position:])
    return b"".join(kept)
