"""Runs of letters: worked out by hand."""

import pytest

from indexer import Analyser, Note
from indexer.grams import compile_grams, grams
from indexer.impacts import Bm25, FieldWeight
from indexer.tokens import tokenise


def test_runs_are_taken_within_words_with_their_ends_marked() -> None:
    assert sorted(grams("the Cat", Analyser("english", ("the",)))) == ["_ca", "_cat", "_cat_", "at_", "cat", "cat_"]
    assert grams("a", Analyser("none")) == ["_a_"]
    assert grams("", Analyser("none")) == []


def test_a_misspelt_word_shares_most_of_its_runs() -> None:
    analyser = Analyser("english")
    right, typed, other = (set(grams(word, analyser)) for word in ("reinforcement", "reinforcment", "supervision"))
    assert len(right & typed) > 10 * len(right & other)


def test_impacts_of_runs_follow_bm25() -> None:
    notes = [Note("a", "cat", ""), Note("b", "car", "")]
    impacts = compile_grams(
        tokenise(notes, Analyser("none")), 2, Analyser("none"), Bm25(1.2, {"title": FieldWeight(1.0, 0.75)})
    )
    # Both titles have six runs, so lengths play no part and tf' = 1; idf = ln(1 + (2 - df + 0.5) / (df + 0.5)).
    shared, alone = impacts.find("_ca"), impacts.find("cat")
    assert shared is not None and alone is not None
    assert impacts.scores({shared: 1.0}).tolist() == pytest.approx([0.1823216] * 2)  # ln(1.2) x 2.2 / 2.2
    assert impacts.scores({alone: 1.0}).tolist() == pytest.approx([0.6931472, 0])  # ln(2)
