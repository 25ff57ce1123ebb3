"""How long boto3 holds up a loop, in its own process and in a child: run `python -m tests.bench.ec2_stalls`.

A task that sleeps for 1 ms looks how much processor time has passed in this process since its last turn: on a busy
machine the wall would tell of others. Milliseconds, the longest and the next; boto3's endpoint is a port that refuses.
"""

import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress

import trio

from lbmesh.agent.limits import THREAD_TURN_S
from lbmesh.drivers.ec2.caller import Caller
from lbmesh.drivers.ec2.child import Clients
from lbmesh.drivers.ec2.errors import Ec2Error
from lbmesh.observe import garbage

REGION = "eu-central-1"
PARAMETERS: dict[str, object] = {"AllocationIds": ["eipalloc-0123456789abcdef0"]}


async def longest_ms(work: Callable[[], object]) -> tuple[float, float]:
    """While it works in a thread."""
    turns: list[float] = []
    done = trio.Event()

    async def tick() -> None:
        while not done.is_set():
            began_s = time.process_time()
            await trio.sleep(0.001)
            turns.append(1e3 * (time.process_time() - began_s))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(tick)
        await trio.to_thread.run_sync(work)
        done.set()
    longest, following = sorted(turns)[:-3:-1]
    return longest, following


def resident_mb() -> float:
    """This process's."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def in_this_process(endpoint: str) -> Iterator[tuple[str, Callable[[], object]]]:
    """The steps of a first call, one by one."""
    clients = Clients()
    request: dict[str, object] = {"id": 1, "region": None, "endpoint": endpoint, "action": "", "parameters": {}}
    yield "import", lambda: __import__("boto3")
    yield "client", lambda: clients.reply({**request, "region": REGION})
    asking = {**request, "region": REGION, "action": "describe_addresses", "parameters": PARAMETERS}
    yield "first call", lambda: clients.reply(asking)
    yield "second call", lambda: clients.reply(asking)


def in_a_child(caller: Caller, endpoint: str) -> Iterator[tuple[str, Callable[[], object]]]:
    """The same."""

    def ask(action: str) -> None:
        with suppress(Ec2Error):
            caller.ask(REGION, endpoint, action, PARAMETERS)

    yield "import, client", lambda: ask("")
    yield "first call", lambda: ask("describe_addresses")
    yield "second call", lambda: ask("describe_addresses")


async def measure(endpoint: str) -> None:
    """The child first, as nothing of boto3 is here then."""
    with closing(Caller()) as caller:
        for where, steps in (("child", in_a_child(caller, endpoint)), ("own", in_this_process(endpoint))):
            for name, step in steps:
                longest, following = await longest_ms(step)
                print(f"{where:6} {name:15} {longest:6.1f} {following:6.1f} ms   {resident_mb():4.0f} MB")


def main() -> None:
    """As an agent is set up."""
    os.environ.update(AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test")
    garbage.begin()
    sys.setswitchinterval(THREAD_TURN_S)
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        trio.run(measure, f"http://127.0.0.1:{deaf.getsockname()[1]}")


if __name__ == "__main__":
    main()
