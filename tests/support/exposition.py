"""A strict reader of Prometheus' text format (prometheus.io/docs/instrumenting/exposition_formats, 0.0.4)."""

import re
from dataclasses import dataclass, field

_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_VALUE = r"[+-]?(?:\d+(?:\.\d+)?(?:e[+-]?\d+)?|Inf)|NaN"
_LABEL = r"""[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\[\\"n])*\""""
_SAMPLE = re.compile(rf"(?P<name>{_NAME})(?:\{{(?P<labels>{_LABEL}(?:,{_LABEL})*)\}})? (?P<value>{_VALUE})")
_ANNOUNCED = re.compile(rf"# (?P<what>HELP|TYPE) (?P<name>{_NAME}) (?P<text>.+)")

Labels = tuple[str, ...]


@dataclass
class Family:
    """One metric's samples: (sample name, labels) to value."""

    kind: str
    samples: dict[tuple[str, Labels], float] = field(default_factory=dict)


def read_page(page: str) -> dict[str, Family]:
    """The families by name; fails at the first line that breaks a rule."""
    assert page.endswith("\n")
    families: dict[str, Family] = {}
    helped = ""
    for line in page.removesuffix("\n").split("\n"):
        if announced := _ANNOUNCED.fullmatch(line):
            what, name, text = announced.groups()
            if what == "HELP":
                assert name not in families, f"{name} comes twice"
                helped = name
            else:
                assert helped == name, f"TYPE of {name} without its HELP before it"
                assert text in ("counter", "gauge", "histogram"), line
                families[name] = Family(text)
            continue
        sample = _SAMPLE.fullmatch(line)
        assert sample, f"not a sample: {line!r}"
        newest = families[helped]
        _belongs(sample["name"], helped, newest.kind)
        labels = tuple(re.findall(_LABEL, sample["labels"] or ""))
        key = sample["name"], labels
        assert key not in newest.samples, f"{line!r} comes twice"
        newest.samples[key] = float(sample["value"])
    for name, family in families.items():
        assert family.samples, f"{name} has no sample"
        if family.kind == "histogram":
            _check_histogram(name, family)
    return families


def _belongs(sample: str, name: str, kind: str) -> None:
    suffixes = ("_bucket", "_sum", "_count") if kind == "histogram" else ("",)
    assert sample in [name + suffix for suffix in suffixes], f"{sample} stands among the samples of {name}"
    assert kind != "counter" or name.endswith("_total"), name


def _check_histogram(name: str, family: Family) -> None:
    """Buckets ascend to +Inf, never fall, and end at the count; each label set has its sum."""
    buckets: dict[Labels, list[tuple[float, float]]] = {}
    for (sample, labels), value in family.samples.items():
        if sample == f"{name}_bucket":
            bound = labels[-1].removeprefix('le="').removesuffix('"')
            buckets.setdefault(labels[:-1], []).append((float(bound), value))
    counts = {labels for sample, labels in family.samples if sample == f"{name}_count"}
    assert counts == buckets.keys()
    for labels, rows in buckets.items():
        assert rows == sorted(set(rows)), labels
        assert [value for _, value in rows] == sorted(value for _, value in rows), labels
        assert rows[-1] == (float("inf"), family.samples[f"{name}_count", labels])
        assert (f"{name}_sum", labels) in family.samples
