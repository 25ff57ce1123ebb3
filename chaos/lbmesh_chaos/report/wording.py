"""Figures as people read them. Pure."""

from lbmesh_chaos.report.counts import Count
from lbmesh_chaos.report.passage import Passage
from lbmesh_chaos.report.report import Availability

NEVER = "–"
NO_LOAD = "Without load of its own: what clients got is for your monitoring to say. This is what the mesh did."


def seconds(value: float | None) -> str:
    """ "180 ms", "2.31 s", "14.2 s"; a dash for what did not happen."""
    if value is None:
        return NEVER
    if value < 0.9995:
        return f"{value * 1e3:.0f} ms"
    return f"{value:.2f} s" if value < 10 else f"{value:.1f} s"


def agreement(one: Passage) -> str:
    """When all who watch agreed; how many did, when it is not all of them."""
    if one.agree_s is not None or not one.agreed_s:
        return seconds(one.agree_s)
    return f"{NEVER} ({len(one.agreed_s)} of {len(one.watching)})"


def number(value: int) -> str:
    """With narrow spaces between thousands, at which no line breaks."""
    return f"{value:,}".replace(",", "\u202f")


def percent(share: float) -> str:
    """With as many nines as there are, and two digits after them."""
    if share >= 1:
        return "100 %"
    digits = 2
    while digits < 8 and (1 - share) * 100 < 10 ** -(digits - 1):
        digits += 1
    return f"{share * 100:.{digits}f} %"


def per_million(counted: Count) -> str:
    """Lost per million."""
    value = counted.lost_per_million
    return "0" if not value else number(round(value)) if value >= 10 else f"{value:.1f}"


def bound(available: Availability) -> str:
    """How much availability the drill supports, in one sentence."""
    clustered = available.at_least_clustered
    if clustered is not None:
        return f"≥ {percent(clustered)} at 95 %, by bootstrap over {available.faults} faults"
    return f"≥ {percent(available.at_least)} at 95 %, if losses were independent"


def bound_over_faults(available: Availability) -> str:
    """The humbler bound; "" without faults."""
    if available.losing_faults_at_most is None:
        return ""
    tried = f"{available.losing_faults} of {available.faults} fault{'' if available.faults == 1 else 's'}"
    return f"{tried} lost something; at 95 % at most {percent(available.losing_faults_at_most)} of such faults do"
