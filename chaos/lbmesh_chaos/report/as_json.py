"""The report as JSON: every figure with its unit in its name, times in seconds from the drill's beginning. Pure."""

from dataclasses import asdict
from typing import Any

from lbmesh_chaos.model.outcome import Evidence
from lbmesh_chaos.report.counts import Count
from lbmesh_chaos.report.evidence import not_judged
from lbmesh_chaos.report.passage import Passage
from lbmesh_chaos.report.report import Group, Report

FORMAT = 4
"""Rises when a figure changes its name or its meaning. A figure that nobody could count is null."""


def to_json(report: Report) -> dict[str, Any]:
    """For `json.dumps`."""
    outcome, began_s = report.outcome, report.outcome.began_s
    tally, evidence = outcome.tally, outcome.evidence
    told = evidence or Evidence(logged=False, echoed=False, counted=False)
    return {
        "format": FORMAT,
        "drill": {
            "name": outcome.name,
            "hypothesis": outcome.hypothesis,
            "seed": outcome.seed,
            "revision": outcome.revision,
            "world": outcome.world,
            "seconds": outcome.ended_s - began_s,
            "aborted": outcome.aborted,
            "loaded": outcome.is_loaded,
        },
        "evidence": asdict(evidence) if evidence else None,
        "not_judged": list(not_judged(evidence)),
        "verdict": str(report.judged.ruling),
        "reasons": list(report.judged.reasons),
        "invariants": [asdict(one) for one in report.judged.invariants],
        "residue": list(outcome.residue),
        "total": _count(report.total, evidence),
        "baseline": _count(report.baseline, evidence),
        "availability": asdict(report.available),
        "lost_by_reason": report.reasons,
        "by_kind": _groups(report.by_kind, evidence),
        "by_zone": _groups(report.by_zone, evidence),
        "by_method": _groups(report.by_method, evidence),
        "faults": [_passage(one, began_s, evidence) for one in report.passages],
        "timeline": [
            {
                "at_s": round(event.at_s - began_s, 6),
                "what": str(event.what),
                "subject": event.subject,
                "observer": event.observer,
                "detail": event.detail,
            }
            for event in report.timeline
        ],
        "starved": [
            {"client": one.client, "from_s": one.from_s - began_s, "until_s": one.until_s - began_s}
            for one in tally.starved
        ],
        "findings": {
            name: {"count": found.count, "first": [asdict(one) for one in found.first]} if is_known else None
            for name, found, is_known in (
                ("duplicated", tally.duplicated, told.tells_twice),
                ("replayed", tally.replayed, told.tells_twice),
                ("mixed_up", tally.mixed_up, told.tells_mixed_up),
                ("damaged", tally.damaged, told.logged),
                ("unexecuted", tally.unexecuted, told.logged),
                ("strays", tally.strays, told.logged),
                ("mesh_lost", tally.mesh_lost, outcome.is_loaded),
            )
        },
        "series": asdict(report.series),
    }


def _count(counted: Count, evidence: Evidence | None) -> dict[str, float | None]:
    told = {"sent": counted.sent, **asdict(counted), "lost_per_million": counted.lost_per_million}
    unknown = [
        *(() if evidence and evidence.logged else ("unknown_executed",)),
        *(() if evidence and evidence.tells_twice else ("replayed", "duplicated")),
    ]
    return {**told, **dict.fromkeys(unknown)}


def _groups(groups: tuple[Group, ...], evidence: Evidence | None) -> dict[str, dict[str, float | None]]:
    return {
        one.name: {
            **_count(one.count, evidence),
            "available": one.available.answered,
            "available_at_least": one.available.at_least,
        }
        for one in groups
    }


def _passage(one: Passage, began_s: float, evidence: Evidence | None) -> dict[str, Any]:
    fault = one.fault
    return {
        "label": fault.label,
        "text": fault.text,
        "targets": list(fault.targets),
        "zones": list(fault.zones),
        "applied_at_s": fault.applied_s - began_s,
        "healed_at_s": fault.healed_s - began_s,
        "boot_s": fault.boot_s,
        "detect_s": one.detect_s,
        "suspected_s": one.suspected_s,
        "agree_s": one.agree_s,
        "agreed_s": one.agreed_s,
        "first_lost_s": one.first_lost_s,
        "divert_s": one.divert_s,
        "moved_s": one.moved_s,
        "back_s": one.back_s,
        "recover_s": one.recover_s,
        "rejoin_s": one.rejoin_s,
        "watching": list(one.watching),
        "agree_up_s": one.agree_up_s,
        "agreed_up_s": one.agreed_up_s,
        "struck": _count(one.struck, evidence),
        "control": _count(one.control, evidence),
        "caught": _count(one.caught, evidence),
        "hurt": list(one.hurt),
        "control_hurt": list(one.control_hurt),
    }
