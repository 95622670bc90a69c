"""Postings: held against an index that Whoosh wrote itself, and answering its queries as that does."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from whoosh import query
from whoosh_files import whoosh_index

from indexer import Analyser, Note
from indexer.lexical import whoosh_searcher
from indexer.postings import ALL_FIELDS, collect, load_postings, save_postings
from indexer.tokens import tokenise

ENGLISH = Analyser("english", ("the", "of", "a", "is"))
WORDS = [
    "the", "of", "reward", "rewards", "policy", "policies", "hacking", "Café", "再帰", "C++", "don't", "3.5",
    *(f"w{number}" for number in range(40)),
]  # fmt: skip


def made_notes(seed: int) -> list[Note]:
    """Notes of random words with marks between, empty fields, tags, and tags that are words of other notes."""
    dice = random.Random(seed)  # noqa: S311 - made notes, no secrets
    weights = [1 / (rank + 1) for rank in range(len(WORDS))]

    def text(longest: int) -> str:
        return "".join(
            word + dice.choice([" ", " ", ", ", ". "])
            for word in dice.choices(WORDS, weights, k=dice.randint(0, longest))
        )

    tags = ["rl", "Formal Proof", "reward", "policy", "#w3"]
    return [
        Note(
            f"n{row}",
            text(8),
            text(40),
            topic=dice.choice(["", "", "reward policy", "w1"]),
            tags=tuple(dice.sample(tags, dice.randint(0, 3))),
        )
        for row in range(80)
    ]


def every_query() -> list[Any]:
    fields = ("title", "description", "topic")
    terms = ["the", "reward", "polici", "cafe", "再", "3.5", "w1", "nosuch", "rl"]
    phrases = [
        ["reward", "polici"],
        ["the", "reward"],
        ["of", "the", "reward"],
        ["再", "帰"],
        ["reward"] * 2,
        ["no", "w1"],
    ]
    return [
        *(query.Term(field, term) for field in ALL_FIELDS for term in terms),
        *(query.Phrase(field, phrase) for field in fields for phrase in phrases),
        *(query.Prefix(field, begin) for field in ALL_FIELDS for begin in ("", "w", "w1", "po", "f", "zz", "再")),
        *(
            query.FuzzyTerm(field, word, maxdist=edits, prefixlength=1)
            for field in ALL_FIELDS
            for word in ("rewrad", "w1", "polic", "formal-prof", "zz", "w")
            for edits in (1, 2)
        ),
    ]


@pytest.mark.parametrize("seed", [1, 2])
def test_a_query_matches_what_it_matches_in_an_index_that_whoosh_wrote(tmp_path: Path, seed: int) -> None:
    notes = made_notes(seed)
    postings = collect(tokenise(notes, ENGLISH), notes)
    matched = 0
    with whoosh_index(tmp_path / "w", notes, ENGLISH).searcher() as theirs, whoosh_searcher(postings) as ours:
        for asked in every_query():
            found = sorted(set(asked.docs(theirs)))
            assert sorted(set(asked.docs(ours))) == found, asked
            matched += bool(found)
    assert matched > 70


def test_every_term_stands_where_whoosh_says(tmp_path: Path) -> None:
    notes = made_notes(3)
    postings = collect(tokenise(notes, ENGLISH), notes)
    with whoosh_index(tmp_path / "w", notes, ENGLISH).reader() as theirs, whoosh_searcher(postings) as searcher:
        ours = searcher.reader()
        assert list(ours.all_terms()) == list(theirs.all_terms())
        for field, term in theirs.all_terms():
            assert ours.frequency(field, term) == theirs.frequency(field, term)
            assert ours.doc_frequency(field, term) == theirs.doc_frequency(field, term)
            expected, found = theirs.postings(field, term), ours.postings(field, term)
            while expected.is_active():
                assert found.id() == expected.id()
                if field != "tag":
                    assert found.value_as("positions") == expected.value_as("positions")
                expected.next()
                found.next()
            assert not found.is_active()


def test_saved_postings_are_loaded_bit_by_bit_and_fit_each_other(tmp_path: Path) -> None:
    notes = made_notes(4)
    postings = collect(tokenise(notes, ENGLISH), notes)
    save_postings(tmp_path / "p", postings)
    loaded = load_postings(tmp_path / "p", len(notes))
    for name in ("terms", "term_starts", "starts", "rows", "places"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(postings, name))
    for path in sorted((tmp_path / "p").glob("*.npy")):
        array = np.load(path)
        for change in (array[:-1], array.astype(np.float64), array[None, :]):
            np.save(path, change)
            with pytest.raises(ValueError, match="do not fit"):
                load_postings(tmp_path / "p", len(notes))
        np.save(path, array)
    load_postings(tmp_path / "p", len(notes))


def test_notes_without_a_word_have_no_postings() -> None:
    notes = [Note("a", "???", ""), Note("b", "!", "", tags=("#",))]
    postings = collect(tokenise(notes, ENGLISH), notes)
    assert (len(postings.vocabulary), postings.rows.tolist()) == (0, [])
    with whoosh_searcher(postings) as searcher:
        assert list(query.Prefix("title", "").docs(searcher)) == []
