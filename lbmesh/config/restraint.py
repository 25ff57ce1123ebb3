"""A service's `limits`, `hedge` and `concurrency`: what keeps it from being asked for more than it can do."""

from lbmesh.config import values
from lbmesh.config.table import Table
from lbmesh.model.restraint import AdaptiveConcurrency, Hedging, ServiceLimits

LIMIT_MAX = 1_000_000
HEDGE_PERCENT_MAX = 50
HEDGED_QUANTILE = "p95"


def read_limits(service: Table) -> ServiceLimits:
    """`limits`: whatever is left out has its default."""
    default = ServiceLimits()
    table = service.table("limits")
    if table is None:
        return default
    count = values.whole_number(1, LIMIT_MAX)
    limits = ServiceLimits(
        active=table.optional("active", count, default.active),
        replica_connections=table.optional("replica_connections", count, default.replica_connections),
        connecting=table.optional("connecting", count, default.connecting),
        pending=table.optional("pending", values.whole_number(0, LIMIT_MAX), default.pending),
        pending_timeout_s=table.optional("pending_timeout", values.duration_s, default.pending_timeout_s),
    )
    table.close()
    return limits


def read_hedging(service: Table) -> Hedging | None:
    """`hedge = true`: with every default."""
    written = service.values.get("hedge")
    if isinstance(written, bool):
        service.known.add("hedge")
        return Hedging() if written else None
    table = service.table("hedge", instead="true")
    if table is None:
        return None
    default = Hedging()
    hedging = Hedging(
        after_s=table.optional("after", _hedged_after_s, default.after_s),
        percent=table.optional("percent", values.whole_number(1, HEDGE_PERCENT_MAX), default.percent),
    )
    table.close()
    return hedging


def _hedged_after_s(value: object) -> float | None:
    if value == HEDGED_QUANTILE:
        return None
    try:
        return values.duration_s(value)
    except ValueError as wrong:
        raise ValueError(f'{wrong}; or "{HEDGED_QUANTILE}", what all but 5 % of the answers take at most') from wrong


def read_concurrency(service: Table) -> AdaptiveConcurrency | None:
    """`concurrency = "adaptive"`, or a table that says how low it may fall."""
    written = service.values.get("concurrency")
    if isinstance(written, str):
        service.known.add("concurrency")
        if written == "adaptive":
            return AdaptiveConcurrency()
        if written != "fixed":
            service.error('write "adaptive" or "fixed"', "concurrency", found=written)
        return None
    table = service.table("concurrency", instead='"adaptive"')
    if table is None:
        return None
    concurrency = AdaptiveConcurrency(
        least=table.optional("least", values.whole_number(1, LIMIT_MAX), AdaptiveConcurrency().least)
    )
    table.close()
    return concurrency
