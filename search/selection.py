"""This module chooses a note's list from its candidates: above a floor, varied, and steady from one list to the next.

Pure functions over aligned arrays; candidates are numbered from the best to the least.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from indexer import Scores

Mask = npt.NDArray[np.bool_]

# A place is given to another note only where it is ahead by more than this (in standard deviations, as scores are).
# A note more among 203 moves the scores of 99 in 100 pairs of others by less than 0.15: spreads and hubs are
# measured anew.
MARGIN = 0.2
# From the tenth place on a list without a bridge gives one to a note of another topic that is within this of the best.
BRIDGE_PLACE = 9
BRIDGE_REACH = 0.5
MAX_BRIDGES = 2


def choose(
    scores: Scores,
    crowding: Callable[[int], Scores],
    bridges: Mask,
    floor: float,
    k: int,
    old: Sequence[int] | None = None,
) -> list[int]:
    """Up to ``k`` candidates, in the order in which a list shows them; the first of them do not depend on ``k``.

    ``scores`` float32 [n] are descending.  ``crowding(c)`` gives what candidate c, once it stands in the list, takes
    from each of the others: 0 or more, infinite where the list needs no second of its kind (as in maximal marginal
    relevance, Carbonell and Goldstein 1998).  ``bridges`` marks the candidates that would be a bridge.

    At each place the candidate with the greatest score, less what the list takes from it, is chosen; none comes
    whose score is below ``floor``.  ``old`` is the list as it was, None where there was none: then the first of it
    that is not placed yet keeps the place unless another is ahead by more than ``MARGIN``; it may sink below the
    floor by as much, and what did not stand in the list must exceed the floor by as much.  So nothing moves as long
    as no score changes by more than half the margin.
    """
    chosen: list[int] = []
    taken = np.zeros(len(scores), dtype=np.float32)
    entry = np.full(len(scores), floor if old is None else floor + MARGIN)
    waiting = list(old or ())
    entry[waiting] = floor - MARGIN
    taken[scores < entry] = np.inf
    while len(chosen) < k:
        worth = scores - taken
        if len(chosen) == BRIDGE_PLACE and not bridges[chosen].any():
            worth = worth + np.float32(BRIDGE_REACH) * bridges
        waiting = [place for place in waiting if taken[place] < np.inf]
        best = int(worth.argmax()) if len(worth) else 0
        if not len(worth) or worth[best] == -np.inf:
            break
        if waiting and worth[best] <= worth[waiting[0]] + MARGIN:
            best = waiting[0]
        chosen.append(best)
        taken = np.maximum(taken, crowding(best))
        taken[best] = np.inf
    return chosen


def marked(bridges: Mask, chosen: Sequence[int]) -> list[bool]:
    """Which of the chosen are shown as bridges: the first two that are."""
    flags, left = [], MAX_BRIDGES
    for place in chosen:
        flags.append(bool(bridges[place]) and left > 0)
        left -= flags[-1]
    return flags
