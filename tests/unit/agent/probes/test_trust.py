"""A TLS context is made once for each distinct trust, and no more are kept than the bound."""

import ssl
from pathlib import Path

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from lbmesh.agent.limits import TLS_CONTEXTS_MAX
from lbmesh.agent.probes.trust import TrustStore
from lbmesh.model.check import ProbeTls
from tests.support.certificates import Authority


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"))


def test_checks_of_one_trust_share_a_context(authority: Authority) -> None:
    async def main() -> None:
        store = TrustStore()
        one = ProbeTls("a.internal", Path("/a"), authority.text)
        made: list[ssl.SSLContext] = []

        async def make() -> None:
            made.append(await store.context(one, "h2"))

        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(make)
        again = await store.context(ProbeTls("b.internal", Path("/b"), str(authority.text)), "h2")
        assert {id(each) for each in made} == {id(again)}
        assert again.verify_mode is ssl.CERT_REQUIRED
        assert again.check_hostname
        others = [
            await store.context(one, None),
            await store.context(ProbeTls(), "h2"),
            await store.context(ProbeTls(verify=False), "h2"),
        ]
        assert len({id(each) for each in [again, *others]}) == 4
        assert others[-1] is await store.blind_context("h2")
        assert others[-1].verify_mode is ssl.CERT_NONE

    trio.run(main)


def test_what_the_machine_trusts_is_read_again_and_what_settings_hold_is_not(authority: Authority) -> None:
    async def main() -> None:
        store = TrustStore()
        own, named = ProbeTls(), ProbeTls(ca_certificates=authority.text)
        before = [await store.context(own, None), await store.context(named, None)]
        store.forget_machine()
        assert await store.context(own, None) is not before[0]
        assert await store.context(named, None) is before[1]

    trio.run(main)


def test_authorities_that_are_being_read_when_they_change_are_read_again() -> None:
    async def main() -> None:
        store = TrustStore()
        made: list[ssl.SSLContext] = []

        async def make() -> None:
            made.append(await store.context(ProbeTls(), None))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(make)
            await wait_all_tasks_blocked()
            store.forget_machine()
        assert await store.context(ProbeTls(), None) is not made[0]

    trio.run(main)


def test_contexts_are_bounded_and_the_oldest_goes(authority: Authority) -> None:
    async def main() -> None:
        store = TrustStore()
        first, *_ = [await store.context(ProbeTls(verify=False), f"p{n}") for n in range(TLS_CONTEXTS_MAX)]
        assert await store.context(ProbeTls(verify=False), "p0") is first
        await store.context(ProbeTls(ca_certificates=authority.text), None)
        assert await store.context(ProbeTls(verify=False), "p0") is not first

    trio.run(main)
