"""This module says whether a difference means anything, and which queries made it.  Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

Doubles = npt.NDArray[np.float64]

PERMUTATIONS = 10_000
_TOLERANCE = 1e-12  # sums of the same gaps in another order differ by less


def randomisation_p(gaps: Sequence[float], seed: int = 0) -> float:
    """The two-sided p-value of a paired randomisation test (Smucker, Allan and Carterette 2007).

    ``gaps`` are the differences of two rankings, query by query.  Were the rankings alike, each gap might as well
    have the other sign: p is the share of the assignments of signs whose mean is as far from 0 as the one observed.
    All are tried where they are at most 10,000; else as many are drawn, the observed one counting as one of them.
    1 where there is no difference at all.
    """
    different = np.array([gap for gap in gaps if gap != 0], dtype=np.float64)
    observed = abs(float(different.sum())) - _TOLERANCE
    exact = 2 ** len(different) <= PERMUTATIONS
    as_far = sum(
        int(np.count_nonzero(np.abs(signs @ different) >= observed))
        for signs in (_every_sign(len(different)) if exact else _drawn_signs(len(different), seed))
    )
    return as_far / 2 ** len(different) if exact else (as_far + 1) / (PERMUTATIONS + 1)


def _every_sign(count: int) -> Iterator[Doubles]:
    numbers = np.arange(2**count)[:, None]
    yield 2 * (numbers >> np.arange(count) & 1).astype(np.float64) - 1


def _drawn_signs(count: int, seed: int) -> Iterator[Doubles]:
    chance = np.random.default_rng(seed)
    block = 1000  # assignments at once: 16 MB at 2,000 queries
    for _ in range(PERMUTATIONS // block):
        yield 2 * chance.integers(0, 2, (block, count)).astype(np.float64) - 1


def roc_area(positives: Sequence[float], negatives: Sequence[float]) -> float:
    """The area under the ROC curve: how often a positive has more than a negative, ties counting half (Mann and
    Whitney).  NaN where one side is empty."""
    if not positives or not negatives:
        return math.nan
    gaps = np.array(positives)[:, None] - np.array(negatives)[None, :]
    return float(np.mean((gaps > 0) + 0.5 * (gaps == 0)))


def wins_and_losses(
    before: Mapping[str, float], after: Mapping[str, float], count: int
) -> tuple[dict[str, float], dict[str, float]]:
    """The ``count`` queries that gained most from ``before`` to ``after``, and the ``count`` that lost most, with the
    change; the greatest change first, then by id.  Queries that stayed as they were are in neither."""
    gaps = {query: after[query] - before[query] for query in before}
    gains = sorted((item for item in gaps.items() if item[1] > 0), key=lambda item: (-item[1], item[0]))
    losses = sorted((item for item in gaps.items() if item[1] < 0), key=lambda item: (item[1], item[0]))
    return dict(gains[:count]), dict(losses[:count])
