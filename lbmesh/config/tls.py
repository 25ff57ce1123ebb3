"""`tls` of a listener and of a service: certificates, keys and authorities, and what is demanded of the other side."""

from pathlib import Path

from lbmesh.config import health_values, values
from lbmesh.config.key_pair import PairError
from lbmesh.config.table import Files, Table
from lbmesh.model.check import ProbeTls
from lbmesh.model.tls import ClientAuth, KeyPair, ListenerTls, ServiceTls, TlsVersion, UnknownName

_PAIR = '{ cert = "/etc/lbmesh/tls/site.pem", key = "/etc/lbmesh/tls/site.key" }'


def read_listener_tls(listener: Table, files: Files) -> ListenerTls | None:
    """A listener's; None for plain HTTP."""
    table = listener.table("tls")
    if table is None:
        return None
    default = ListenerTls(())
    key_pairs = _read_key_pairs(table, files)
    client_ca = table.optional("client_ca", values.file_path, None)
    absent = ClientAuth.OFF if "client_ca" not in table.values else ClientAuth.REQUIRE
    client_auth = table.optional("client_auth", values.one_of(ClientAuth), absent)
    if client_auth is not ClientAuth.OFF and "client_ca" not in table.values:
        table.error(
            'missing, and client_auth asks for it; write client_ca = "/etc/lbmesh/tls/clients.pem"', "client_ca"
        )
    tls = ListenerTls(
        key_pairs=key_pairs,
        unknown_name=table.optional("unknown_name", values.one_of(UnknownName), default.unknown_name),
        client_auth=client_auth,
        client_ca=client_ca,
        client_ca_certificates=read_authorities(table, "client_ca", client_ca, files),
        min_version=table.optional("min_version", values.one_of(TlsVersion), default.min_version),
        ciphers=table.optional("ciphers", values.ciphers, default.ciphers),
    )
    table.close()
    return tls


def _read_key_pairs(table: Table, files: Files) -> tuple[KeyPair, ...]:
    """Either one, written beside the other keys, or a list of them."""
    entries = table.tables("certificates")
    if "certificates" in table.values and ("cert" in table.values or "key" in table.values):
        table.known |= {"cert", "key"}
        table.error("there is cert or key beside it; put that pair first in this list", "certificates")
        return ()
    if "certificates" not in table.values:
        pair = read_key_pair(table, files, required=True)
        return (pair,) if pair else ()
    table.known |= {"cert", "key"}
    if table.values["certificates"] == []:
        table.error(f"a listener needs a certificate; write certificates = [{_PAIR}]", "certificates")
    pairs: list[KeyPair] = []
    first_lines: dict[str, int] = {}
    for entry in entries:
        pair = read_key_pair(entry, files, required=True)
        entry.close()
        for name in pair.names if pair else ():
            if name in first_lines and first_lines[name] != entry.line():
                entry.error(f"the one in line {first_lines[name]} is for {name} too; remove one", "cert")
            first_lines.setdefault(name, entry.line())
        pairs += [pair] if pair else []
    return tuple(pairs)


def read_key_pair(table: Table, files: Files, *, required: bool) -> KeyPair | None:
    """`cert` and `key` of a table; None when they are not there and need not be, or are wrong and that was noted."""
    if not required and "cert" not in table.values and "key" not in table.values:
        table.known |= {"cert", "key"}
        return None
    cert = table.required("cert", values.file_path, '"/etc/lbmesh/tls/site.pem"')
    key = table.required("key", values.file_path, '"/etc/lbmesh/tls/site.key"')
    if cert is None or key is None:
        return None
    try:
        return files.key_pair(cert, key)
    except PairError as wrong:
        table.error(str(wrong), wrong.part)
    return None


def read_service_tls(service: Table, files: Files) -> ServiceTls | None:
    """A service's; None for plain HTTP. `tls = true` trusts the authorities that this machine trusts."""
    if isinstance(service.values.get("tls"), bool):
        service.known.add("tls")
        return ServiceTls() if service.values["tls"] else None
    table = service.table("tls", instead="true")
    if table is None:
        return None
    default = ServiceTls()
    ca, verify = read_trust(table)
    tls = ServiceTls(
        server_name=table.optional("server_name", health_values.server_name, None),
        ca=ca,
        ca_certificates=read_authorities(table, "ca", ca, files),
        verify=verify,
        key_pair=read_key_pair(table, files, required=False),
        min_version=table.optional("min_version", values.one_of(TlsVersion), default.min_version),
    )
    table.close()
    return tls


def read_trust(table: Table) -> tuple[Path | None, bool]:
    """`ca` and `verify`, which exclude one another where the latter is false."""
    ca = table.optional("ca", values.file_path, None)
    verify = table.optional("verify", values.boolean, True)
    if ca and not verify:
        table.error("verify = false looks at no certificate; remove this, or write verify = true", "ca")
    return ca, verify


def read_authorities(table: Table, key: str, path: Path | None, files: Files) -> str | None:
    """The certificates in this file, in PEM; None when there is none, or it is wrong and that was noted."""
    if path is None:
        return None
    try:
        return files.certificates(path)
    except FileNotFoundError:
        table.error(f"there is no file {path}; write the path of the authority's certificate, in PEM", key)
    except OSError as failed:
        table.error(f"cannot read {path}: {failed.strerror or type(failed).__name__}", key)
    except ValueError as wrong:
        table.error(f"{path}: {wrong}", key)
    return None


def probe_tls(tls: ServiceTls | None) -> ProbeTls | None:
    """How a service is probed whose health check says nothing of TLS: as requests reach it."""
    if tls is None:
        return None
    return ProbeTls(tls.server_name, tls.ca, tls.ca_certificates, tls.verify, tls.key_pair)
