"""The laws of tests/support/lane_law.py under atheris, which is led by the code it covers: `make fuzz-atheris`.

The input's first byte chooses the law, the rest is the message. The corpus starts with the cases by clause and is
kept in the directory that is given, so that a later run goes on where this one ended.
"""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SEPARATOR = b"\n--\n"
"""Between the places of the cuts (one byte each) and a chunked body."""


def seeds() -> Iterator[bytes]:
    """Inputs to start from: every case by clause, and chunked bodies."""
    from tests.conformance.request_cases import ACCEPTED, REFUSED
    from tests.conformance.response_cases import BAD, PASSED
    from tests.support.chunks import EXTENSIONS, ODD_LINES, TRAILERS

    for request in (*ACCEPTED, *REFUSED):
        yield b"\0" + request.head
    for response in (*PASSED, *BAD):
        yield b"\1" + response.head
        yield b"\2" + response.head
    for extension in EXTENSIONS:
        for trailer in TRAILERS:
            body = b"3%b\r\nabc\r\n00A\r\n0123456789\r\n0%b\r\n%b\r\n" % (extension, extension, trailer)
            yield b"\3\3\x10" + SEPARATOR + body
    for line in ODD_LINES:
        yield b"\3\1" + SEPARATOR + b"1\r\na\r\n" + line


def words() -> Iterator[bytes]:
    """What a mutation may put in: each line is an entry of libFuzzer's dictionary."""
    from tests.support import heads

    for group in (heads.METHODS, heads.ODD_TARGETS, heads.ODD_HOSTS, heads.ODD_LINES, heads.LENGTHS, heads.CODINGS):
        yield from group
    yield from (*heads.NAMES, *heads.CONNECTIONS, *heads.FORWARDED, *heads.IDS, *heads.KEEP_ALIVES)
    yield from (b"\r\n", b"\r\n\r\n", b"\n", b"\r", b"\t", b" ", b": ", b"HTTP/1.1", b"HTTP/1.0", b"_", b";", b"%")


def escaped(word: bytes) -> str:
    """A word as libFuzzer's dictionaries have it."""
    return '"' + "".join(f"\\x{byte:02x}" for byte in word) + '"'


def prepare(directory: Path) -> tuple[Path, Path]:
    """The corpus and the dictionary; seeds are written over what is there of the same number."""
    corpus = directory / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds()):
        (corpus / f"seed-{number:04d}").write_bytes(seed)
    dictionary = directory / "words.dict"
    dictionary.write_text("\n".join(sorted({escaped(word) for word in words() if word})) + "\n")
    return corpus, dictionary


def main() -> None:
    """atheris_lanes.py DIRECTORY [libFuzzer's options]; a finding is written to DIRECTORY as crash-…."""
    directory = Path(sys.argv[1])
    corpus, dictionary = prepare(directory)
    atheris: Any = importlib.import_module("atheris")
    with atheris.instrument_imports(
        include=["lbmesh.http1", "lbmesh.forwarder.framing", "h11", "tests.support.lane_law"]
    ):
        # Instrumented only if imported here for the first time: `seeds` and `words` draw on the same modules.
        for name in [name for name in sys.modules if name.partition(".")[0] in ("lbmesh", "h11", "tests")]:
            del sys.modules[name]
        law = importlib.import_module("tests.support.lane_law")

    def one_input(data: bytes) -> None:
        match data[:1]:
            case b"\0":
                law.check_request(data[1:])
            case b"\1":
                law.check_response(data[1:], b"GET")
            case b"\2":
                law.check_response(data[1:], b"HEAD")
            case _:
                places, _, body = data[1:].partition(SEPARATOR)
                law.check_chunks(body, tuple(min(place, len(body)) for place in places[:8]))

    options = [f"-dict={dictionary}", f"-artifact_prefix={directory}/", "-max_len=2048", *sys.argv[2:]]
    atheris.Setup([sys.argv[0], *options, str(corpus)], one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
