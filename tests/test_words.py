from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from indexer import Analyser, Note, Words, letter_set, open_index
from indexer.impacts import DEFAULT_BM25, Impacts, compile_impacts
from indexer.postings import collect
from indexer.tokens import tokenise
from indexer.words import compile_words, load_words, save_words

ENGLISH = Analyser("english", ("the", "of", "a"))
NOTES = [
    Note("a", "The Rewards of Café life", "rewarding rewards, twice rewarded: the C++ way", "Life"),
    Note("b", "Rewards", "再帰 and a word " + "x" * 65, "Life"),
]


def compiled(notes: list[Note], language: list[str]) -> tuple[Words, Impacts]:
    tokens = tokenise(notes, ENGLISH)
    impacts = compile_impacts(collect(tokens, notes), ENGLISH, DEFAULT_BM25)
    return compile_words(tokens, ENGLISH, impacts, language), impacts


def test_every_written_word_is_kept_folded_with_how_many_notes_hold_it_and_its_term() -> None:
    words, impacts = compiled(NOTES, ["life", "Thé", "zebra"])
    found = {
        words.vocabulary[number]: (
            int(words.notes[number]),
            impacts.term(int(words.terms[number])) if words.terms[number] >= 0 else None,
        )
        for number in range(len(words))
    }
    assert found == {
        "the": (1, None),  # a stop word, which the impacts leave out; "Thé" folds to it
        "of": (1, None),
        "rewards": (2, "reward"),  # once a note, however often it stands there
        "rewarding": (1, "reward"),
        "rewarded": (1, "reward"),
        "cafe": (1, "cafe"),
        "life": (2, "life"),  # in the title of one and in the topic of both
        "twice": (1, "twice"),
        "way": (1, "way"),
        "and": (1, "and"),
        "word": (1, "word"),
        "zebra": (0, None),  # the encoder's alone
    }  # single letters (c, 再, 帰, a) and the word of 65 letters are left out
    assert list(found) == sorted(found)


@pytest.mark.parametrize(
    ("word", "holds"),
    [
        ("rewards", True),
        ("reward", True),  # never written, but its stem is that of "rewards"
        ("zebras", True),
        ("zebra", True),
        ("rewird", False),
        ("re", False),
        ("life", True),
        ("lives", False),  # Snowball: "live"
        ("x", False),
        ("", False),
    ],
)
def test_a_word_is_known_in_any_form_with_its_stem(word: str, holds: bool) -> None:
    words, _ = compiled(NOTES, ["zebra"])
    assert words.holds_form_of(word, ENGLISH) is holds


def test_an_edit_changes_at_most_two_letters_of_the_set() -> None:
    assert letter_set("") == 0
    assert letter_set("abba") == letter_set("ab") == letter_set("ba")
    for one, other, apart in (("abc", "abd", 2), ("abc", "ab", 1), ("abc", "acb", 0), ("ab", "aab", 0)):
        assert (letter_set(one) ^ letter_set(other)).bit_count() == apart
    assert 0 < letter_set("再帰ü\U0010ffff") < 2**64


def test_saved_words_are_loaded_bit_by_bit_and_fit_each_other(tmp_path: Path) -> None:
    words, _ = compiled(NOTES, ["zebra"])
    save_words(tmp_path / "words", words)
    loaded = load_words(tmp_path / "words")
    for name in ("text", "starts", "notes", "terms", "letters"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(words, name))
    for path in sorted((tmp_path / "words").glob("*.npy")):
        array = np.load(path)
        for change in (array[:-1], array.astype(np.float64), array[None, :]):
            np.save(path, change)
            with pytest.raises(ValueError, match="do not fit"):
                load_words(tmp_path / "words")
        np.save(path, array)
    load_words(tmp_path / "words")


def test_no_notes_words_at_all_are_an_empty_vocabulary() -> None:
    words, _ = compiled([Note("a", "?", "")], [])
    assert len(words) == 0
    assert not words.holds_form_of("reward", ENGLISH)


def test_the_owners_index_knows_words_of_the_language_that_no_note_holds(owner_index: Path) -> None:
    words = open_index(owner_index).words
    for word, there in (("reinforcement", True), ("lasagna", False), ("volcano", True), ("reinforcment", False)):
        number = words.vocabulary.find(word)
        assert (number is not None) is there, word
    number = words.vocabulary.find("volcano")
    assert number is not None
    assert words.notes[number] == 0
