"""Bytes cut into pieces, as a network may deliver them."""

from itertools import pairwise

from hypothesis import strategies as st


@st.composite
def pieces_of(draw: st.DrawFn, data: bytes) -> list[bytes]:
    """`data` in order, cut anywhere, often into single bytes."""
    if draw(st.booleans()):
        return [data[at : at + 1] for at in range(len(data))]
    cuts = draw(st.lists(st.integers(0, len(data)), max_size=6))
    return [data[start:end] for start, end in pairwise([0, *sorted(cuts), len(data)])]
