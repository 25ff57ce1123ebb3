"""Why a replica gets the traffic it gets: what health says, and what live traffic adds."""

from collections.abc import Iterable
from dataclasses import replace

from lbmesh.control.views import judge
from lbmesh.health.book import HealthBook
from lbmesh.health.ejection import Ejections
from lbmesh.health.merge import Rule
from lbmesh.model.explanation import Explanation
from lbmesh.model.health import Availability
from lbmesh.model.service import ReplicaId, Service
from lbmesh.routing.warming import warming_words


def explain_replica(
    replica: ReplicaId,
    services: Iterable[Service],
    book: HealthBook,
    ejections: Ejections,
    *,
    began_s: float,
    returned_s: float | None,
    now: float,
) -> Explanation | None:
    """None for a replica that none of the services has. `began_s`: since when what is not checked is up.
    `returned_s`: when the replica returned, if it ever did.
    """
    service, merged = next(
        (
            (service, found)
            for service in services
            if service.name == replica.service
            for one, found in zip(service.replicas, judge(service, book, ejections), strict=True)
            if one.address == replica.address
        ),
        (None, None),
    )
    if service is None or merged is None:
        return None
    said = book.explain(now, replica)
    if said is None:
        said = Explanation(str(replica), merged.availability, now - began_s, merged.rule, merged.reason)
    notes = (*said.notes, *ejections.words(replica, now))
    if merged.availability is Availability.UP and returned_s is not None:
        notes += warming_words(returned_s, service.traffic.slow_start_s, now)
    ejection = ejections.ejection(replica)
    if merged.rule is not Rule.EJECTED or ejection is None:
        return replace(said, notes=notes)
    checks = f"without the ejection it would be {said.state} ({said.rule}): {said.reason}"
    return replace(
        said,
        state=merged.availability,
        for_s=now - ejection.since_s,
        rule=merged.rule,
        reason=merged.reason,
        notes=(*notes, checks),
    )
