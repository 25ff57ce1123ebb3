"""The sticky cookie: the same on every balancer, silent about the address, spelt as browsers want it."""

from dataclasses import replace

from lbmesh.model.address import Address
from lbmesh.model.traffic import SameSite, Sticky
from lbmesh.routing.sticky import cookie_line, replica_token

HERE = Address("10.0.0.1", 8080)
PLAIN = Sticky()


def test_a_token_names_one_replica_of_one_service() -> None:
    tokens = {
        replica_token(PLAIN, service, Address(host, port))
        for service in ("shop", "next")
        for host in ("10.0.0.1", "10.0.0.2", "::1")
        for port in (80, 8080)
    }
    assert len(tokens) == 12
    assert replica_token(PLAIN, "shop", HERE) == replica_token(replace(PLAIN, path="/x"), "shop", HERE)


def test_a_secret_changes_every_token_and_is_in_none() -> None:
    secret = "0123456789abcdef"
    token = replica_token(replace(PLAIN, secret=secret), "shop", HERE)
    assert token != replica_token(PLAIN, "shop", HERE)
    assert secret not in repr(replace(PLAIN, secret=secret))
    assert len(token) == 16


def test_nodes_of_two_releases_agree() -> None:
    assert replica_token(PLAIN, "shop", HERE) == b"YbN_6V0nRJsotaBE"


def test_how_the_cookie_is_given() -> None:
    assert cookie_line(PLAIN, b"t") == b"Set-Cookie: lbmesh=t; Path=/; HttpOnly\r\n"
    every = Sticky("site", 3600.0, "/shop", "example.com", secure=True, http_only=False, same_site=SameSite.NONE)
    assert cookie_line(every, b"t") == (
        b"Set-Cookie: site=t; Path=/shop; Domain=example.com; Max-Age=3600; Secure; SameSite=None\r\n"
    )
    assert b"Max-Age=1;" in cookie_line(replace(PLAIN, ttl_s=1.2), b"t")
