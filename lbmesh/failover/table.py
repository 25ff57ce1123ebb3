"""From the living and the ring's keys to the table of partners that one node's sentinel works from."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from lbmesh.failover.backups import Holding, circle_of, plan_backups
from lbmesh.failover.datagram import pair_key
from lbmesh.failover.words import PairKey, Partner
from lbmesh.model.address import Address
from lbmesh.model.front import Front


@dataclass(frozen=True, slots=True)
class Station:
    """Where a node's heartbeat is reached, and in which session it speaks. `front`: where its clients reach it."""

    name: str
    zone: str
    address: Address
    session: bytes
    front: Address


@dataclass(frozen=True, slots=True)
class RingKey:
    """A key of the gossip's ring. `id`: the 4 bytes that name it."""

    id: bytes
    key: bytes


def partner_table(
    own: Station, others: Collection[Station], rings: Mapping[str, Sequence[RingKey]]
) -> tuple[Partner, ...]:
    """With whom this node has to do, by name. `rings`: for each other, the key to seal under, then all that open."""
    stations = _stations(own, others)
    circle = circle_of(own.name, _plan(stations))
    judges = {judge for names in circle.judged.values() for judge in names}
    return tuple(
        Partner(
            name=name,
            zone=stations[name].zone,
            address=stations[name].address,
            session=stations[name].session.hex(),
            keys=tuple(_pair_key(key, own, stations[name]) for key in rings[name]),
            watched=name in circle.partners,
            judges=circle.judged.get(name, ()),
            front=front.address if (front := circle.fronts.get(name)) else None,
        )
        for name in sorted((circle.partners | judges) - {own.name})
    )


def judges_of(own: Station, others: Collection[Station]) -> tuple[str, ...]:
    """Who judges this node."""
    return tuple(
        {judge: None for one in _plan(_stations(own, others)) if one.holder == own.name for judge in one.backups}
    )


def _stations(own: Station, others: Collection[Station]) -> dict[str, Station]:
    return {one.name: one for one in (*others, own) if one is own or one.session != own.session}


def _plan(stations: Mapping[str, Station]) -> tuple[Holding, ...]:
    fronts = [Front(one.front, one.zone, one.name) for one in stations.values()]
    return plan_backups(fronts, {one.name: one.zone for one in stations.values()})


def _pair_key(key: RingKey, own: Station, other: Station) -> PairKey:
    return PairKey(
        id=key.id.hex(),
        seal=pair_key(key.key, own.session, other.session).hex(),
        open=pair_key(key.key, other.session, own.session).hex(),
    )
