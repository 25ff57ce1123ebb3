"""Values that have an upper bound, of targets' lists and of experiments. Pure.

All raise ValueError, with what to write instead.
"""

from lbmesh.config import values


def number_up_to(most: float, value: object) -> float:
    """A number above 0."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= most:
        raise ValueError(f"write a number above 0, and at most {most}")
    return float(value)


def duration_up_to(most_s: float, value: object) -> float:
    """In seconds."""
    found = values.duration_s(value)
    if found > most_s:
        raise ValueError(f'write at most "{most_s / 60:g}m"')
    return found
