"""A provider's managed balancer: it obeys what its control plane says, be it the truth, a lie, nothing or silence."""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio

from lbmesh_chaos.lab.managed import LIES, ControlPlane, ManagedBalancer, main, said_by
from tests.support.origins import refused_address

ASKS_EVERY_S = 0.01
WITHIN_S = 20.0
"""Far beyond what anything takes on a busy machine."""


class Service:
    """A managed balancer, its control plane and two backends that say their names, on loopback."""

    def __init__(self, behaviour: Path) -> None:
        self.behaviour = behaviour
        self.asked = 0
        self.more = trio.Event()
        self.port = 0

    async def run(self, nursery: trio.Nursery) -> None:
        backends = [await _listen(nursery, _naming(name)) for name in (b"one", b"two")]
        control = ControlPlane(
            self.behaviour, [f"127.0.0.1:{port}" for port in backends], lies=[str(refused_address())]
        )

        async def count_and_answer(stream: trio.SocketStream) -> None:
            self.asked += 1
            self.more.set()
            self.more = trio.Event()
            await control.serve(stream)

        provider = await _listen(nursery, count_and_answer)
        balancer = ManagedBalancer(f"127.0.0.1:{provider}", ASKS_EVERY_S, answer_within_s=0.2)
        await nursery.start(balancer.obey)
        self.port = await _listen(nursery, balancer.serve)

    async def say(self, mode: str) -> None:
        """In this mode, until the balancer has heard it: when it asks again, what was said before has been taken."""
        beside = self.behaviour.with_suffix(".new")
        beside.write_text(json.dumps({"mode": mode}))
        beside.replace(self.behaviour)
        seen = self.asked
        while self.asked < seen + 3:
            await self.more.wait()

    async def ask(self) -> bytes | None:
        """What a client is told; None when its connection is reset or closed without a word."""
        async with await trio.open_tcp_stream("127.0.0.1", self.port) as stream:
            try:
                await stream.send_all(b"hello")
                return bytes(await stream.receive_some()) or None
            except trio.BrokenResourceError:
                return None


def _naming(name: bytes) -> Callable[[trio.SocketStream], Awaitable[None]]:
    async def serve(stream: trio.SocketStream) -> None:
        async with stream:
            await stream.send_all(name + await stream.receive_some())

    return serve


async def _listen(nursery: trio.Nursery, serve: Callable[[trio.SocketStream], Awaitable[None]]) -> int:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    nursery.start_soon(trio.serve_listeners, serve, [listener])
    port: int = listener.socket.getsockname()[1]
    return port


def in_service(tmp_path: Path, scenario: Callable[[Service], Awaitable[None]]) -> None:
    async def run() -> None:
        service = Service(tmp_path / "behaviour.json")
        with trio.fail_after(WITHIN_S):
            async with trio.open_nursery() as nursery:
                await service.run(nursery)
                await scenario(service)
                nursery.cancel_scope.cancel()

    trio.run(run)


def test_told_the_truth_it_forwards_to_each_backend_in_turn(tmp_path: Path) -> None:
    async def scenario(service: Service) -> None:
        assert [await service.ask() for _ in range(4)] == [b"onehello", b"twohello"] * 2

    in_service(tmp_path, scenario)


def test_told_nothing_at_all_it_goes_on_with_what_it_knows(tmp_path: Path) -> None:
    async def scenario(service: Service) -> None:
        await service.say("hangs")
        assert await service.ask() == b"onehello"

    in_service(tmp_path, scenario)


@pytest.mark.parametrize("mode", ["lies", "empty"])
def test_it_obeys_a_lie_and_an_empty_list_and_the_truth_again(tmp_path: Path, mode: str) -> None:
    async def scenario(service: Service) -> None:
        await service.say(mode)
        assert await service.ask() is None
        await service.say("well")
        assert await service.ask() is not None

    in_service(tmp_path, scenario)


def test_what_a_control_plane_says_in_each_mode() -> None:
    there = ["10.1.1.1:80"]
    said = {mode: said_by(mode, there) for mode in ("well", "hangs", "lies", "empty")}
    assert said == {"well": there, "hangs": None, "lies": list(LIES), "empty": []}
    with pytest.raises(ValueError, match="no mode 'well-ish'; write well, hangs, lies or empty"):
        said_by("well-ish", there)


def test_a_command_that_is_wrong_is_told_how_it_goes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["balancer"]) == 2
    assert "control-plane PORT BEHAVIOUR BACKEND" in capsys.readouterr().err
