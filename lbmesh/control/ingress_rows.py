"""A node's traffic as gossip rows: `ingress:<number>` → {"<service>": [requests a second, {"<zone>": in flight}], …}.

Figures are steps of a fifth, and a row is written anew only when one of them has moved by more than that, and seldom: a
row costs every member some 900 bytes.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from math import log2

from lbmesh.routing.locality import Ingress

ROWS_MAX = 8
"""Some ten services a row: the busiest are told, and of the others it is taken that there is nothing."""

ROW_BYTES_MAX = 480
"""Below gossip's bound on a value."""

SERVICES_MAX = 256
ZONES_MAX = 64
"""Of one peer, and of one service; more is not believed."""

STEPS_PER_DOUBLING = 4
LEAST = 0.25
"""What is less is nothing: level 0. Level 1 is this."""

TEXT_BYTES_MAX = 200
"""Of one service."""

LEVEL_MAX = 255
MOVED = 1.5
"""Levels: a figure that moved less says nothing new."""

GAP_S = 2.0
GAP_PER_MEMBER_S = 0.25
"""Between two changes of a node's rows: 25 s in a mesh of 100, where one node's traffic is a hundredth of all."""

KEYS = tuple(f"ingress:{number}" for number in range(ROWS_MAX))


def level_of(figure: float) -> float:
    """The level, not yet rounded, from 0 to LEVEL_MAX."""
    if figure < LEAST:
        return 0.0
    return min(float(LEVEL_MAX), 1.0 + STEPS_PER_DOUBLING * log2(figure / LEAST))


def figure_of(level: int) -> float:
    """What a level stands for."""
    return 0.0 if level <= 0 else float(LEAST * 2 ** ((min(level, LEVEL_MAX) - 1) / STEPS_PER_DOUBLING))


_Levels = dict[str, float]
"""Of one service: under "" requests a second, under a zone what is in flight there."""


class IngressVoice:
    """Decides when this node's rows say something new."""

    def __init__(self) -> None:
        self._said: dict[str, dict[str, int]] | None = None
        self._rows: tuple[bytes, ...] = ()
        self._next_s = 0.0

    def speak(self, figures: Mapping[str, Ingress], members: int, now: float) -> tuple[bytes, ...] | None:
        """The values of the rows KEYS from the first on, as they are to be from now on; None when they stand."""
        if now < self._next_s:
            return None
        exact = {name: _levels(one) for name, one in figures.items()}
        said = self._said
        if said is not None and not any(
            _has_moved(said.get(name, {}), exact.get(name, {})) for name in exact.keys() | said.keys()
        ):
            return None
        self._said = {name: {zone: round(level) for zone, level in levels.items()} for name, levels in exact.items()}
        self._next_s = now + max(GAP_S, GAP_PER_MEMBER_S * members)
        rows = tuple(_rows(self._said))
        if rows == self._rows:
            return None
        self._rows = rows
        return rows


def _levels(ingress: Ingress) -> _Levels:
    return {"": level_of(ingress.requests_per_s)} | {zone: level_of(one) for zone, one in ingress.in_flight.items()}


def _has_moved(before: Mapping[str, int], now: _Levels) -> bool:
    return any(abs(now.get(zone, 0.0) - before.get(zone, 0)) > MOVED for zone in now.keys() | before.keys())


def _rows(said: Mapping[str, Mapping[str, int]]) -> Iterator[bytes]:
    """The busiest services, by name within a row, so that a row changes only when they do. There is always a first row:
    it says that this node measures.
    """
    row = ""
    for text in _told(said):
        if row and len(row) + len(text) + len(",{}") > ROW_BYTES_MAX:
            yield f"{{{row}}}".encode()
            row = ""
        row = f"{row},{text}" if row else text
    yield f"{{{row}}}".encode()


def _told(said: Mapping[str, Mapping[str, int]]) -> list[str]:
    """What rows say of each service, as many as find room. One whose zones alone would fill a row is left out."""
    texts = {}
    for name, levels in said.items():
        waiting = {zone: level for zone, level in sorted(levels.items()) if zone and level}
        text = f"{json.dumps(name)}:{json.dumps([levels[''], waiting], separators=(',', ':'))}"
        if any(levels.values()) and len(text) <= TEXT_BYTES_MAX:
            texts[name] = text
    room = ROWS_MAX * (ROW_BYTES_MAX - TEXT_BYTES_MAX)
    kept = []
    for name in sorted(texts, key=lambda name: (-max(said[name].values()), name)):
        room -= len(texts[name]) + 1
        if room < 0:
            break
        kept.append(name)
    return [texts[name] for name in sorted(kept)]


def parse_rows(values: Iterable[bytes]) -> dict[str, Ingress] | None:
    """A peer's figures by service; None when it has no rows, or one is malformed, as a hostile peer may write it."""
    found: dict[str, Ingress] = {}
    is_there = False
    for value in values:
        is_there = True
        try:
            for name, (rate, waiting) in json.loads(value).items():
                if len(found) >= SERVICES_MAX or len(waiting) > ZONES_MAX:
                    return None
                in_flight = {zone: _figure(level) for zone, level in waiting.items()}
                found[name] = Ingress(_figure(rate), in_flight)
        except (ValueError, TypeError, AttributeError, RecursionError):
            return None
    return found if is_there else None


def _figure(level: object) -> float:
    if type(level) is not int:
        raise ValueError("a level that is no whole number")
    return figure_of(level)
