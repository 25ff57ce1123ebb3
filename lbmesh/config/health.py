"""A service's `health`: how its replicas are checked, with every key only where it means something."""

import math

from lbmesh.config import health_values, values
from lbmesh.config.fields import read_fields
from lbmesh.config.table import Files, Table
from lbmesh.config.tls import probe_tls, read_authorities, read_key_pair, read_trust
from lbmesh.model.check import GrpcProbe, HttpProbe, Probe, ProbeMethod, ProbeTls, TcpProbe
from lbmesh.model.provenance import ProxyVersion
from lbmesh.model.service import HealthCheck
from lbmesh.model.tls import ServiceTls

CHECKS_MAX = 100
"""The largest `fall` and `rise`."""

_KIND_OF = {
    **dict.fromkeys(("path", "method", "headers", "status", "body", "body_regex", "headers_match"), ("http",)),
    **dict.fromkeys(("send", "expect"), ("tcp",)),
    "grpc_service": ("grpc",),
    "host": ("http", "grpc"),
}
"""The kinds that have each key; all others belong to every kind."""


def read_health(
    service: Table, files: Files, service_tls: ServiceTls | None, proxy_protocol: ProxyVersion | None
) -> HealthCheck | None:
    """`health = false` asks for no probes. The timeout is by default 1 s, or the interval if that is less.

    `service_tls`, `proxy_protocol`: the service's; probes speak both, too, but a PROXY header is not sent to a port of
    their own.
    """
    default = HealthCheck(tls=probe_tls(service_tls), proxy_protocol=proxy_protocol)
    if service.values.get("health") is False:
        service.known.add("health")
        return None
    table = service.table("health", instead="false")
    if table is None:
        return default
    # An interval that is wrong, and noted, bounds no timeout: that would be a second error for one mistake.
    absent_s = default.interval_s if "interval" not in table.values else math.inf
    interval_s = table.optional("interval", health_values.interval_s, absent_s)
    timeout_s = table.optional("timeout", health_values.timeout_s, min(default.timeout_s, interval_s))
    if timeout_s > interval_s:
        table.error(f"write no more than the interval, {interval_s:g}s", "timeout", found=table.values["timeout"])
    on_replica_port = proxy_protocol if "port" not in table.values else None
    health = HealthCheck(
        probe=_read_probe(table),
        interval_s=interval_s,
        timeout_s=timeout_s,
        fall=table.optional("fall", values.whole_number(1, CHECKS_MAX), default.fall),
        rise=table.optional("rise", values.whole_number(1, CHECKS_MAX), default.rise),
        port=table.optional("port", values.whole_number(1, 65535), None),
        tls=_read_tls(table, files, default.tls),
        proxy_protocol=table.optional("proxy_protocol", values.proxy_version_or_none, on_replica_port),
    )
    table.close()
    return health


def _read_probe(table: Table) -> Probe:
    kind = table.optional("kind", health_values.kind, "http" if "kind" not in table.values else "")
    for key, kinds in _KIND_OF.items():
        if kind and kind not in kinds:
            _refuse(table, key, kinds)
    match kind:
        case "tcp":
            return TcpProbe(
                send=table.optional("send", health_values.text, None),
                expect=table.optional("expect", health_values.text, None),
            )
        case "grpc":
            return GrpcProbe(
                service=table.optional("grpc_service", health_values.grpc_service, ""),
                host=table.optional("host", health_values.authority, None),
            )
        case "http":
            return _read_http(table)
        case _:
            # Of a kind that is wrong, and noted, nobody knows which keys it has.
            table.refused.update(_KIND_OF)
            return HttpProbe()


def _refuse(table: Table, key: str, kinds: tuple[str, ...]) -> None:
    table.refused.add(key)
    if key in table.values:
        right = " or ".join(f'kind = "{kind}"' for kind in kinds)
        table.error(f"only a check with {right} has this; write that, or remove this", key)


def _read_http(table: Table) -> HttpProbe:
    default = HttpProbe()
    probe = HttpProbe(
        path=table.optional("path", values.url_path, default.path),
        method=table.optional("method", health_values.method, default.method),
        host=table.optional("host", health_values.authority, None),
        headers=read_fields(table, "headers", health_values.sent_field_name, health_values.field_value),
        status=table.optional("status", health_values.statuses, default.status),
        body=table.optional("body", health_values.text, None),
        body_regex=table.optional("body_regex", health_values.pattern, None),
        headers_match=read_fields(table, "headers_match", health_values.field_name, health_values.wanted_value),
    )
    if probe.body and probe.body_regex:
        table.error("there is a body already; write one of body and body_regex, and remove the other", "body_regex")
    wants_body = "body" if probe.body else "body_regex" if probe.body_regex else None
    if wants_body and probe.method is ProbeMethod.HEAD:
        table.error('an answer to HEAD has no body; write method = "GET", or remove this', wants_body)
    return probe


def _read_tls(health: Table, files: Files, absent: ProbeTls | None) -> ProbeTls | None:
    """`tls = true` checks certificates against the authorities that this machine trusts."""
    health.known.add("tls")
    if "tls" not in health.values:
        return absent
    if isinstance(health.values["tls"], bool):
        return ProbeTls() if health.values["tls"] else None
    table = health.table("tls", instead="true")
    if table is None:
        return None
    ca, verify = read_trust(table)
    tls = ProbeTls(
        server_name=table.optional("server_name", health_values.server_name, None),
        ca=ca,
        ca_certificates=read_authorities(table, "ca", ca, files),
        verify=verify,
        key_pair=read_key_pair(table, files, required=False),
    )
    table.close()
    return tls
