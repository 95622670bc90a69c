"""Token vectors and the likeness of notes, against numbers that a person can work out."""

from pathlib import Path

import numpy as np
import pytest

from indexer import Analyser, Note
from indexer.impacts import DEFAULT_BM25, compile_impacts
from indexer.late import TokenStates, assemble, load_late, quantise, save_late
from indexer.pairs import Spread, affinities, evenly_spread, measure_spreads, mutual_bm25, mutual_tokens
from indexer.postings import collect
from indexer.tokens import tokenise


def made_states(seed: int, sizes: list[int], dim: int = 8) -> list[np.ndarray]:
    chance = np.random.default_rng(seed)
    return [chance.standard_normal((size, dim)).astype(np.float32) for size in sizes]


def quantised(states: np.ndarray, first_piece: int = 0) -> TokenStates:
    """Every token its own word piece, so that within three notes piece 0 stands in all of them."""
    return quantise(states, np.arange(first_piece, first_piece + len(states), dtype=np.int32))


def test_quantised_tokens_are_within_half_a_step_of_what_they_were() -> None:
    states = made_states(0, [20])[0]
    stored = quantised(states)
    back = stored.codes * stored.scales[:, None]
    assert stored.codes.dtype == np.int8
    assert (np.abs(back - states) <= np.abs(states).max(axis=1, keepdims=True) / 127 / 2 + 1e-6).all()


def test_scores_are_the_mean_of_the_greatest_cosines_after_centring() -> None:
    notes = made_states(1, [5, 3, 7])
    stored = [quantised(states) for states in notes]
    late = assemble(stored, 8)
    decoded = [s.codes * s.scales[:, None] for s in stored]
    mean = np.concatenate(decoded).mean(axis=0)
    assert late.mean == pytest.approx(mean, abs=1e-5)
    query = made_states(2, [4])[0]

    def unit(rows: np.ndarray) -> np.ndarray:
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    # Notes of 5, 3 and 7 tokens: pieces 0 to 2 stand in three notes, 3 and 4 in two, 5 and 6 in one, 9 in none.
    frequency = np.array([3, 3, 3, 2, 2, 1, 1, 0, 0, 0])
    weight = np.sqrt(np.log(1 + (3 - frequency + 0.5) / (frequency + 0.5)))
    pieces = np.array([0, 4, 6, 9], dtype=np.int32)
    table = [unit(query - mean) @ unit(rows - mean).T for rows in decoded]
    there, back = late.mutual_scores(late.prepare(query, pieces), np.array([2, 0, 1]))
    asked = weight[pieces] / weight[pieces].sum()
    assert there == pytest.approx([asked @ table[row].max(axis=1) for row in (2, 0, 1)], abs=1e-5)
    of_note = [weight[: len(rows)] / weight[: len(rows)].sum() for rows in decoded]
    assert back == pytest.approx([of_note[row] @ table[row].max(axis=0) for row in (2, 0, 1)], abs=1e-5)


def test_a_note_or_a_query_without_tokens_scores_nothing() -> None:
    late = assemble([quantised(states) for states in made_states(3, [2, 0, 1])], 8)
    pieces = np.arange(3, dtype=np.int32)
    query = late.prepare(made_states(4, [3])[0], pieces)
    assert late.scores(query, np.array([1])).tolist() == [0.0]
    assert late.scores(query, np.array([0, 1, 2]))[1] == 0.0
    nothing = late.prepare(np.zeros((0, 8), dtype=np.float32), pieces[:0])
    assert late.scores(nothing, np.array([0, 1, 2])).tolist() == [0.0, 0.0, 0.0]


def test_saved_token_vectors_come_back_and_a_truncated_array_is_refused(tmp_path: Path) -> None:
    late = assemble([quantised(states) for states in made_states(5, [2, 4])], 8)
    save_late(tmp_path / "late", late)
    loaded = load_late(tmp_path / "late", 2, 8)
    assert (loaded.codes == late.codes).all() and (loaded.norms == late.norms).all()
    np.save(tmp_path / "late" / "scales.npy", late.scales[:-1])
    with pytest.raises(ValueError, match="do not fit"):
        load_late(tmp_path / "late", 2, 8)


@pytest.fixture(scope="module")
def three_notes():  # type: ignore[no-untyped-def]
    notes = [
        Note("a", "cats plan", "cats sleep", topic="animals"),
        Note("b", "dogs plan", "dogs fetch sticks", topic="animals"),
        Note("c", "proofs", "lemmas imply proofs", topic="maths"),
    ]
    analyser = Analyser("none")
    return compile_impacts(collect(tokenise(notes, analyser), notes), analyser, DEFAULT_BM25)


def test_mutual_bm25_is_the_mean_of_both_directions_each_over_the_score_with_itself(three_notes) -> None:  # type: ignore[no-untyped-def]
    def score(query: dict[str, int], row: int) -> float:
        numbers = {three_notes.find(term): float(count) for term, count in query.items()}
        return float(three_notes.scores(numbers)[row])

    a = {"cats": 2, "plan": 1, "sleep": 1}
    b = {"dogs": 2, "plan": 1, "fetch": 1, "sticks": 1}
    expected = (score(a, 1) / score(a, 0) + score(b, 0) / score(b, 1)) / 2
    likeness = mutual_bm25(three_notes, 0, np.array([0, 1, 2]))
    assert likeness == pytest.approx([1.0, expected, 0.0], abs=1e-6)
    assert mutual_bm25(three_notes, 1, np.array([0]))[0] == pytest.approx(expected, abs=1e-6)


def test_affinity_adds_standardised_likenesses_and_a_bonus_for_the_topic(three_notes) -> None:  # type: ignore[no-untyped-def]
    vectors = np.array([[1, 0], [0.6, 0.8], [0, 1]], dtype=np.float32)
    spreads = measure_spreads(vectors, three_notes, None)
    assert spreads.meaning.mean == pytest.approx((0.6 + 0 + 0.8) / 3)  # the three pairs
    words = mutual_bm25(three_notes, 0, np.array([1]))[0]
    (got,) = affinities(
        vectors, three_notes, np.array([1, 1, 2], dtype=np.int32), spreads, np.array([0]), np.array([1])
    )
    meaning = (0.6 - spreads.meaning.mean) / spreads.meaning.deviation
    lexical = (words - spreads.words.mean) / spreads.words.deviation
    assert got[0] == pytest.approx(0.6 * meaning + 0.4 * lexical + 0.5, abs=1e-5)


def test_mutual_tokens_is_symmetric() -> None:
    late = assemble([quantised(states) for states in made_states(6, [4, 6])], 8)
    one = mutual_tokens(late, 0, np.array([1]))[0]
    other = mutual_tokens(late, 1, np.array([0]))[0]
    assert one == pytest.approx(other, abs=1e-5)


def test_evenly_spread_rows_reach_from_the_first_note_to_the_last() -> None:
    assert evenly_spread(3, 10).tolist() == [0, 1, 2]
    assert evenly_spread(101, 5).tolist() == [0, 25, 50, 75, 100]


def test_a_collection_of_one_note_has_a_harmless_spread() -> None:
    assert Spread(0.0, 1.0).standardise(np.array([0.5], dtype=np.float32)).tolist() == [0.5]
