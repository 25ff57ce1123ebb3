"""The cookie that keeps a client at its replica: what it says, and how it is given."""

from base64 import urlsafe_b64encode
from hashlib import blake2b

from lbmesh.model.address import Address
from lbmesh.model.traffic import Sticky

TOKEN_BYTES = 12
"""Sixteen characters; among 10,000 replicas two are alike once in 10^21 meshes."""


def replica_token(sticky: Sticky, service: str, address: Address) -> bytes:
    """What the cookie calls a replica, the same on every balancer. Without a secret, who guesses the address can see
    that the guess is right; with one, nothing can be told from it.
    """
    digest = blake2b(
        f"{service}\0{address}".encode(), key=sticky.secret.encode(), digest_size=TOKEN_BYTES, person=b"lbmesh sticky"
    )
    return urlsafe_b64encode(digest.digest())


def cookie_line(sticky: Sticky, token: bytes) -> bytes:
    """The Set-Cookie field line (RFC 6265 §4.1.1), with its CRLF."""
    parts = [f"{sticky.cookie}={token.decode()}", f"Path={sticky.path}"]
    if sticky.domain is not None:
        parts.append(f"Domain={sticky.domain}")
    if sticky.ttl_s is not None:
        parts.append(f"Max-Age={max(1, round(sticky.ttl_s))}")
    if sticky.http_only:
        parts.append("HttpOnly")
    if sticky.secure:
        parts.append("Secure")
    if sticky.same_site is not None:
        parts.append(f"SameSite={sticky.same_site}")
    return f"Set-Cookie: {'; '.join(parts)}\r\n".encode()
