"""The request heads of our own generators: the same that load.lua gives wrk."""

import random

_AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
_ACCEPT = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"

BROWSER_HEADS = 20_000


def same_heads(host: str, *, close: bool = False) -> list[bytes]:
    """One short head. `close`: it says that its connection ends with it."""
    return [f"GET / HTTP/1.1\r\nHost: {host}\r\n{'Connection: close' if close else ''}".rstrip().encode() + b"\r\n\r\n"]


def browser_heads(host: str, *, close: bool = False, count: int = BROWSER_HEADS) -> list[bytes]:
    """Twelve field lines; path, cookie and traceparent differ each time. From a fixed seed."""
    draw = random.Random(1)
    return [_browser_head(draw, host, "close" if close else "keep-alive") for _ in range(count)]


def _browser_head(draw: random.Random, host: str, connection: str) -> bytes:
    lines = (
        f"GET /shop/{_hex(draw, 8)}/item?ref={_hex(draw, 4)}&page={draw.randint(1, 400)} HTTP/1.1",
        f"Host: {host}",
        f"User-Agent: {_AGENT}",
        f"Accept: {_ACCEPT}",
        "Accept-Language: en-GB,en;q=0.7,de;q=0.3",
        "Accept-Encoding: gzip, deflate, br",
        f"Connection: {connection}",
        f"Cookie: session={_hex(draw, 32)}; cart={_hex(draw, 16)}; seen={draw.randint(1, 100_000)}",
        f"traceparent: 00-{_hex(draw, 32)}-{_hex(draw, 16)}-01",
        "Upgrade-Insecure-Requests: 1",
        "Sec-Fetch-Dest: document",
        "Sec-Fetch-Mode: navigate",
    )
    return "\r\n".join((*lines, "", "")).encode()


def _hex(draw: random.Random, digits: int) -> str:
    return f"{draw.getrandbits(4 * digits):0{digits}x}"
