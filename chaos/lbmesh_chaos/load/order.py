"""What one load process is told to do, and when each request is due: the same order, the same requests. Pure."""

import heapq
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import ceil
from pathlib import Path

import msgspec

from lbmesh_chaos.load.template import RequestTemplate
from lbmesh_chaos.model.flow import Flow

DEADLINE_S = 5.0
"""A client's patience, unless the order says otherwise."""
IN_FLIGHT_MAX = 512
"""Of one flow: requests under way at once. What is due beyond that is not sent, and lost ("no room")."""
_PHASE_STEP = 0.6180339887498949
"""The golden ratio's fraction: so many flows of one rate, so evenly spread over the time between two requests."""


@dataclass(frozen=True, slots=True)
class Order:
    """`client`: this process, unlike any other. `addresses`: of balancers, as "10.1.1.1:80", or names that stand for
    some, as "shop.lab:80". Plain flows take the first, and the next only when one refuses to be connected to, as
    clients do with several A records; `lbmesh.client` has them all. `host`: the service's name. `start_s`: monotonic
    time from which requests are due, for `seconds`. `seed`: for what `lbmesh.client` draws. `template`: how a service
    is asked that is not the lab's.
    """

    client: str
    flows: tuple[Flow, ...]
    addresses: tuple[str, ...]
    start_s: float
    seconds: float
    log: str
    host: str = "shop.lab"
    deadline_s: float = DEADLINE_S
    in_flight_max: int = IN_FLIGHT_MAX
    seed: int = 1
    template: RequestTemplate | None = None

    def due_s(self, index: int) -> "array[float]":
        """When each request of the flow at this index is due: constant rate, each flow with a phase of its own."""
        flow = self.flows[index]
        phase = (index * _PHASE_STEP) % 1.0
        count = ceil(self.seconds * flow.rate - phase)
        return array("d", [self.start_s + (phase + number) / flow.rate for number in range(max(0, count))])

    def merged(self, indexes: Iterable[int]) -> Iterator[tuple[float, int, int]]:
        """When each request of these flows is due, its flow and its number, in order of time."""
        return heapq.merge(*(self._numbered(index) for index in indexes))

    def _numbered(self, index: int) -> Iterator[tuple[float, int, int]]:
        for number, due_s in enumerate(self.due_s(index)):
            yield due_s, index, number


def identity_of(flow: Flow, number: int) -> str:
    """The id of a flow's request."""
    return f"{flow.stem}-{number}"


def read_order(path: Path) -> Order:
    """Raises msgspec.ValidationError, which says what is wrong and where, and OSError."""
    return msgspec.json.decode(path.read_bytes(), type=Order)


def write_order(order: Order, path: Path) -> None:
    """As JSON."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(order), indent=2))
