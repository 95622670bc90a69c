"""The best notes for terms are those that adding up every posting and sorting every note finds, bit by bit."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from indexer.impacts import Impacts
from indexer.scoring import Tally

N_NOTES = 100_000
NOTHING = np.zeros(0, dtype=np.float32)


def made(seed: int, holding: list[float], levels: int) -> Impacts:
    """Terms that stand in these shares of the notes, their impacts on so many levels, those of rare terms higher."""
    random = np.random.default_rng(seed)
    rows = [np.flatnonzero(random.random(N_NOTES) < share).astype(np.int32) for share in holding]
    values = [
        (random.integers(1, levels + 1, len(found)) / levels * np.log(1 / share)).astype(np.float32)
        for found, share in zip(rows, holding, strict=True)
    ]
    return Impacts(
        terms=np.zeros(0, dtype=np.uint8),
        term_starts=np.zeros(len(holding) + 1, dtype=np.int64),
        starts=np.cumsum([0, *map(len, rows)]),
        rows=np.concatenate(rows),
        values=np.concatenate(values),
        note_starts=np.zeros(N_NOTES + 1, dtype=np.int64),
        note_terms=np.zeros(0, dtype=np.int32),
        note_values=NOTHING,
        note_counts=NOTHING,
    )


MANY = made(1, [0.95, 0.9, 0.8, 0.8, 0.7, 0.6, 0.5, 0.3, 0.1, 0.05, 0.01, 0.001], 1000)
TIED = made(2, [0.95, 0.9, 0.8, 0.8, 0.7, 0.6, 0.5, 0.3, 0.1, 0.05, 0.01, 0.001], 3)


def added_up(impacts: Impacts, weights: dict[int, float]) -> npt.NDArray[np.float32]:
    """One note's term after the other, in float32, in the order of the query."""
    total = np.zeros(N_NOTES, dtype=np.float32)
    for number, weight in weights.items():
        part = np.zeros(N_NOTES, dtype=np.float32)
        begin, end = impacts.starts[number : number + 2]
        part[impacts.rows[begin:end]] = np.float32(weight) * impacts.values[begin:end]
        total = total + part
    return total


@st.composite
def queries(draw: st.DrawFn) -> dict[int, float]:
    numbers = draw(st.lists(st.integers(0, 11), min_size=1, max_size=12, unique=True))
    return {number: draw(st.sampled_from([0.2, 0.5, 0.8, 1.0, 1.0, 2.0])) for number in numbers}


@settings(max_examples=50)
@given(
    queries(), st.sampled_from([1, 10, 100, 1000, 200_000]), st.sampled_from([None, 0.9, 0.1, 0.001, 0]), st.booleans()
)
@example(weights=dict.fromkeys(range(12), 1.0), depth=10, share=None, tied=False)
@example(weights=dict.fromkeys(range(8, -1, -1), 1.0), depth=100, share=0.9, tied=True)
def test_the_best_are_those_that_sorting_every_note_finds(
    weights: dict[int, float], depth: int, share: float | None, tied: bool
) -> None:
    impacts = TIED if tied else MANY
    allowed = None if share is None else np.random.default_rng(3).random(N_NOTES) < share
    expected = added_up(impacts, weights)
    if allowed is not None:
        expected = np.where(allowed, expected, 0)
    ranking = np.sort(expected[expected > 0])[::-1]
    rows, scores = Tally(impacts, weights).best(depth, allowed)
    assert rows.tolist() == np.flatnonzero((expected > 0) & (expected >= ranking[:depth].min(initial=np.inf))).tolist()
    assert rows.dtype == np.int64
    assert scores.tobytes() == expected[rows].astype(np.float32).tobytes()


@given(queries(), st.lists(st.integers(0, N_NOTES - 1), max_size=30, unique=True))
def test_the_scores_of_a_few_rows_are_those_that_scoring_every_note_gives_them(
    weights: dict[int, float], chosen: list[int]
) -> None:
    rows = np.array(sorted(chosen), dtype=np.int64)
    assert Tally(MANY, weights).at(rows).tobytes() == added_up(MANY, weights)[rows].tobytes()


@pytest.mark.parametrize("depth", [1, 1000])
def test_a_query_without_terms_finds_nothing(depth: int) -> None:
    rows, scores = Tally(MANY, {}).best(depth)
    assert rows.tolist() == scores.tolist() == []
