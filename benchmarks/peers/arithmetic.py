"""This module holds the arithmetic of the bench: percentiles, growth between sizes, and how records merge.  Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

Record = dict[str, Any]


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which ``share`` of ``values`` lie, between neighbours by straight lines, as numpy's default does
    (Hyndman and Fan 1996, definition 7).  Raises ValueError without values."""
    if not values:
        raise ValueError("no values, no percentile")
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def exponents(costs: Mapping[int, float]) -> list[tuple[int, int, float]]:
    """How a cost grows from each size to the next: (smaller, larger, e) where cost ~ size ** e between the two.

    Sizes in order.  Fewer than two give nothing; costs and sizes are above 0.
    """
    sizes = sorted(costs)
    return [
        (small, large, math.log(costs[large] / costs[small]) / math.log(large / small))
        for small, large in pairwise(sizes)
    ]


def most_allowed(small: int, large: int) -> float:
    """The exponent that n log n has between two sizes, both above 1."""
    return 1 + math.log(math.log(large) / math.log(small)) / math.log(large / small)


def violations(costs: Mapping[int, float], slack: float = 0.0) -> list[tuple[int, int, float]]:
    """The steps of ``exponents`` that are worse than n log n by more than ``slack``."""
    return [step for step in exponents(costs) if step[2] > most_allowed(step[0], step[1]) + slack]


def merged(old: Record, new: Record, depth: int) -> Record:
    """Both, where objects are merged key by key down to ``depth`` levels; below, and for anything that is no object,
    what is ``new`` takes the place of what was.  Keys of ``old`` keep their order, new ones follow."""
    result = dict(old)
    for key, part in new.items():
        value, before = part, result.get(key)
        if depth > 1 and isinstance(before, dict) and isinstance(value, dict):
            value = merged(before, value, depth - 1)
        result[key] = value
    return result
