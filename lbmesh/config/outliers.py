"""A service's `outliers`: when live traffic alone takes a replica out of use."""

from lbmesh.config import values
from lbmesh.config.table import Table
from lbmesh.model.service import Outliers

FAILURE_PERCENT_MAX = 99
RATIO_MAX = 100


def read_outliers(service: Table) -> Outliers | None:
    """`outliers = false`: failing requests eject no replica."""
    default = Outliers()
    if service.values.get("outliers") is False:
        service.known.add("outliers")
        return None
    table = service.table("outliers", instead="false")
    if table is None:
        return default
    percent = values.whole_number(1, FAILURE_PERCENT_MAX)
    outliers = Outliers(
        failure_percent=table.optional("failure_percent", percent, default.failure_percent),
        ratio=table.optional("ratio", values.whole_number(1, RATIO_MAX), default.ratio),
        ejection_s=table.optional("ejection", values.duration_s, default.ejection_s),
    )
    table.close()
    return outliers
