import os

import pytest

from tests.bench.gossip.namespaces import maker, maker_of, name_of


def test_a_name_says_who_made_it() -> None:
    assert maker()[0] == os.getpid()
    assert maker_of(name_of((12, 345), "serf-lan-30", "bridge")) == (12, 345)


@pytest.mark.parametrize("name", ["blue", "lbmesh-bench", "lbmesh-bench-x-1-y", "my-lbmesh-bench-1-2-lbmesh-3-0"])
def test_what_is_not_the_benchmark_s_has_no_maker(name: str) -> None:
    assert maker_of(name) is None
