"""One probe from order to result: whatever happens, there is one, in time."""

import ssl
from typing import assert_never

import trio

from lbmesh.agent.probes import certificates
from lbmesh.agent.probes.grpc_probe import PROTOCOL, ask_grpc
from lbmesh.agent.probes.http_probe import ask_http
from lbmesh.agent.probes.talk import Talk
from lbmesh.agent.probes.tcp_probe import ask_tcp
from lbmesh.agent.probes.trust import TrustStore
from lbmesh.agent.probes.words import certificate_error, explain
from lbmesh.control.inputs import ProbeResult
from lbmesh.health.outcome import ProbeOrder
from lbmesh.model.address import Address
from lbmesh.model.check import GrpcProbe, HttpProbe, ProbeTls, TcpProbe
from lbmesh.model.service import HealthCheck


async def probe(trust: TrustStore, steps: trio.Lock, order: ProbeOrder) -> ProbeResult:
    """Ask the replica once. Takes no longer than the check's timeout, but for a TLS context that must be made first.

    `steps`: of all probes, see Talk.
    """
    check = order.check
    address = Address(order.replica.address.host, check.port or order.replica.address.port)
    protocol = _protocol(check)
    context = await trust.context(check.tls, protocol) if check.tls else None
    server_name = expected_name(check, address)
    talk, result = Talk(address, context, server_name, steps, check.proxy_protocol), None
    with trio.move_on_after(check.timeout_s):
        try:
            await talk.open()
            result = await _ask(talk, check, address)
        except (OSError, trio.BrokenResourceError, ssl.SSLError) as error:
            result = ProbeResult(False, explain(error))
            if refused := certificate_error(error):
                result = ProbeResult(False, certificates.plain_refusal(refused, server_name))
                if certificates.wants_a_look(refused):
                    # First: a replica that serves one client at a time would not take a second connection before.
                    talk.close()
                    blind = await trust.blind_context(protocol)
                    der = await _certificate(Talk(address, blind, server_name, steps, check.proxy_protocol))
                    result = ProbeResult(False, certificates.refusal(refused, server_name, der))
        finally:
            talk.close()
    return result or ProbeResult(False, f"{talk.lacks} within {check.timeout_s:g}s")


async def _ask(talk: Talk, check: HealthCheck, address: Address) -> ProbeResult:
    match check.probe:
        case HttpProbe() as http:
            return await ask_http(talk, http, http.host or str(address))
        case TcpProbe() as tcp:
            return await ask_tcp(talk, tcp)
        case GrpcProbe() as grpc:
            secure = check.tls is not None
            return await ask_grpc(talk, grpc, grpc.host or str(address), secure=secure, timeout_s=check.timeout_s)
        case _:
            assert_never(check.probe)


def _protocol(check: HealthCheck) -> str | None:
    match check.probe:
        case HttpProbe():
            return "http/1.1"
        case TcpProbe():
            return None
        case GrpcProbe():
            return PROTOCOL
        case _:
            assert_never(check.probe)


def expected_name(check: HealthCheck, address: Address) -> str:
    """Whom the certificate must be for. An address goes without its zone, which is this machine's own affair."""
    tls = check.tls or ProbeTls()
    host = None if isinstance(check.probe, TcpProbe) else check.probe.host
    if tls.server_name is None and host is not None:
        name, separator, _ = host.rpartition(":")
        host = name if separator and not host.endswith("]") else host
        return host.strip("[]")
    return tls.server_name or address.host.partition("%")[0]


async def _certificate(talk: Talk) -> bytes:
    """The replica's certificate, in DER; b"" when it is not shown this time."""
    try:
        await talk.open()
        return talk.certificate or b""
    except (OSError, trio.BrokenResourceError, ssl.SSLError):
        return b""
    finally:
        talk.close()
