"""What a leg hands on is what sorting every note would."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from indexer.scoring import greatest


@given(
    seed=st.integers(0, 2**32),
    n_notes=st.integers(0, 3000),
    depth=st.sampled_from([1, 2, 10, 300, 5000]),
    levels=st.sampled_from([1, 3, 50, 10**6]),
    share=st.sampled_from([0, 0.01, 0.5, 1]),
)
def test_the_greatest_scores_are_those_that_sorting_all_of_them_finds(
    seed: int, n_notes: int, depth: int, levels: int, share: float
) -> None:
    random = np.random.default_rng(seed)
    scores = (random.integers(1, levels + 1, n_notes) * (random.random(n_notes) < share)).astype(np.float32)
    ranking = sorted(scores[scores > 0].tolist(), reverse=True)
    least = min(ranking[:depth], default=np.inf)
    expected = [row for row, score in enumerate(scores.tolist()) if score > 0 and score >= least]
    found = greatest(scores, depth)
    assert found.dtype == np.int64
    assert found.tolist() == expected


def test_of_equal_scores_at_the_end_all_are_handed_on() -> None:
    assert greatest(np.array([1, 3, 2, 0, 2, 2], dtype=np.float32), 2).tolist() == [1, 2, 4, 5]
