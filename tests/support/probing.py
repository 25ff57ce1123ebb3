"""One probe of one address, with the real prober's machinery."""

from dataclasses import replace

import trio

from lbmesh.agent.probes.probe import probe
from lbmesh.agent.probes.trust import TrustStore
from lbmesh.control.inputs import ProbeResult
from lbmesh.health.outcome import ProbeOrder
from lbmesh.model.address import Address
from lbmesh.model.service import HealthCheck, ReplicaId
from tests.support.origins import Behaviour, OriginConnection, running_origin

HANG_S = 60.0
"""A probe that takes this long has lost its way; none of these should come near."""


def ask(address: Address, check: HealthCheck, *, timeout_s: float | None = None) -> ProbeResult:
    """Probe this address. Without a time-out of its own the check waits as long as the test would."""
    order = ProbeOrder(ReplicaId("shop", address), replace(check, timeout_s=timeout_s or HANG_S))

    async def main() -> ProbeResult:
        with trio.fail_after(2 * HANG_S):
            return await probe(TrustStore(), trio.Lock(), order)

    return trio.run(main)


def ask_origin(behaviour: Behaviour, check: HealthCheck, *, timeout_s: float | None = None) -> ProbeResult:
    """Probe a replica that behaves like this."""
    with running_origin(behaviour) as origin:
        return ask(origin.address, check, timeout_s=timeout_s)


def said(data: bytes) -> Behaviour:
    """Say this once the request's head is there, or the first bytes of whatever it is; then close."""

    def behave(connection: OriginConnection) -> None:
        connection.socket.recv(65536)
        connection.send(data)

    return behave
