"""Candidates and likeness, held against what all pairs of notes give."""

from pathlib import Path

import numpy as np
import pytest

from indexer import Index, Scores, open_index
from search.candidates import candidates
from search.likeness import Likeness


@pytest.fixture(scope="module")
def index(owner_index: Path) -> Index:
    return open_index(owner_index)


def others(row: int, scores: Scores) -> list[int]:
    """Every other row, by descending score."""
    return [other for other in np.argsort(-scores, kind="stable").tolist() if other != row]


def test_candidates_hold_the_nearest_of_all_notes_by_affinity(index: Index) -> None:
    rows = np.arange(len(index))
    missed = 0
    for row in rows[::5].tolist():
        found = candidates(index, [row])[0]
        assert row not in found.rows and len(found) <= 100
        assert found.scores.tolist() == sorted(found.scores.tolist(), reverse=True)
        missed += len(set(others(row, index.affinity(row, rows))[:20]) - set(found.rows.tolist()))
    assert missed <= 8  # of 41 times 20


def test_likeness_is_affinity_less_half_of_what_the_other_is_to_every_note(index: Index) -> None:
    rows = np.arange(len(index))
    pairs = np.array([index.affinity(row, rows) for row in rows.tolist()], dtype=np.float64)
    np.fill_diagonal(pairs, -np.inf)
    hubs = np.sort(pairs, axis=1)[:, -50:].mean(axis=1)
    likeness = Likeness(index)
    for row in (0, 100, 202):
        ranking = likeness.ranking(row)
        exact = index.affinity(row, ranking.rows, by_token=True) - (hubs[ranking.rows] - hubs.mean()) / 2
        assert ranking.scores == pytest.approx(exact, abs=0.02)  # some of the fifty may be no candidates


def test_rows_that_are_asked_for_are_ranked_as_well(index: Index) -> None:
    likeness = Likeness(index)
    last = others(0, likeness.index.affinity(0, np.arange(len(index))))[-1]
    assert last not in likeness.ranking(0).rows
    assert last in likeness.ranking(0, [last]).rows


def test_what_was_found_elsewhere_gives_the_same_ranking_bit_by_bit(index: Index) -> None:
    here, there = Likeness(index), Likeness(index)
    found = here.found(range(len(index)))
    there.take({7: found[7][0]}, lambda row: found[row][1])
    assert there.ranking(7).rows.tolist() == here.ranking(7).rows.tolist()
    assert there.ranking(7).scores.tobytes() == here.ranking(7).scores.tobytes()
    elsewhere = Likeness(index)
    elsewhere.take({7: found[7][0]}, lambda row: float(row))  # what is taken over is what counts
    assert elsewhere.ranking(7).scores.tolist() != here.ranking(7).scores.tolist()
