"""All words at once, and the phrases among them: held against reading note by note, word by word."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer import Analyser, Note, Token, fold
from indexer.phrases import SIZES, find_phrases
from indexer.tokens import FIELDS, POSITION, POSITION_BITS, tokenise

ENGLISH = Analyser("english", ("the", "of", "a", "is", "with"))
BREAK = re.compile(r"[.,;:!?()\[\]\n/]")
WORDS = [
    "the",
    "of",
    "with",
    "Reward",
    "models",
    "Process",
    "Ärger",
    "再帰",
    "3.5",
    "e.g.",
    "don't",
    "A/B",
    "(a)",
    "_",
    "x_y",
]
TEXT = st.one_of(
    st.lists(st.sampled_from([*WORDS, ",", ". ", "/"]), max_size=14).map(" ".join),
    st.text(st.sampled_from("aAbBcCß再é_'.,/ \u00ad\u0301\n1"), max_size=30),
)
NOTE = st.builds(lambda title, text, topic: Note("x", title, text, topic=topic), TEXT, TEXT, TEXT)


@settings(max_examples=200, deadline=None)
@given(st.lists(NOTE, max_size=4))
def test_tokens_are_those_of_the_analyser_text_by_text(notes: list[Note]) -> None:
    tokens = tokenise(notes, ENGLISH)
    found = [
        (row, FIELDS[place >> POSITION_BITS], place & POSITION, tokens.terms[form], tokens.forms[form], parted)
        for row, place, form, parted in zip(
            tokens.rows.tolist(), tokens.places.tolist(), tokens.numbers.tolist(), tokens.parted.tolist(), strict=True
        )
    ]
    expected = []
    for row, note in enumerate(notes):
        for field in FIELDS:
            text, end = getattr(note, field), 0
            for token in ENGLISH.tokens(text):
                parted = token.position == 0 or BREAK.search(text, end, token.start) is not None
                form = text[token.start : token.end]
                expected.append((row, field, token.position, token.term, form, parted))
                end = token.end
    assert found == expected


def runs(text: str) -> Iterator[list[Token]]:
    """The words of a text, parted where a mark stands between."""
    run: list[Token] = []
    for token in ENGLISH.tokens(text):
        if run and BREAK.search(text, run[-1].end, token.start):
            yield run
            run = []
        run.append(token)
    yield run


def phrases_of(text: str, wanted: list[str]) -> Iterator[tuple[str, str]]:
    """Every phrase whose initials are wanted, with or without those of its stop words: its letters and its terms."""
    for run in runs(text):
        letters = [fold(text[token.start])[:1] or " " for token in run]
        content = [place for place, token in enumerate(run) if not ENGLISH.is_stop(token.term)]
        for places in (list(range(len(run))), content) if len(content) < len(run) else (content,):
            for size in SIZES:
                for at in range(len(places) - size + 1):
                    spelt = "".join(letters[place] for place in places[at : at + size])
                    first, last = places[at], places[at + size - 1]
                    if spelt in wanted and first in content and last in content:
                        yield spelt, " ".join(token.term for token in run[first : last + 1])


@settings(max_examples=200, deadline=None)
@given(st.lists(NOTE, max_size=4), st.lists(st.text("aprmtwd3", min_size=3, max_size=6), max_size=5, unique=True))
def test_phrases_are_those_that_are_found_word_by_word(notes: list[Note], more: list[str]) -> None:
    wanted = list(dict.fromkeys(["prm", "rmp", "tpr", "mwr", "prmp", *more]))
    tokens = tokenise(notes, ENGLISH)
    found = find_phrases(tokens, ENGLISH, wanted)
    terms = np.array([*tokens.terms, ""], dtype=object)[tokens.numbers]
    spelt = [" ".join(terms[first : last + 1]) for first, last in zip(found.firsts, found.lasts, strict=True)]
    expected = Counter(
        (row, *phrase)
        for row, note in enumerate(notes)
        for field in FIELDS
        for phrase in phrases_of(getattr(note, field), wanted)
    )
    rows, letters = found.rows.tolist(), [wanted[number] for number in found.letters.tolist()]
    assert Counter(zip(rows, letters, spelt, strict=True)) == expected
    hashes = defaultdict(set)
    for phrase, number in zip(spelt, found.phrases.tolist(), strict=True):
        hashes[phrase].add(number)
    assert all(len(numbers) == 1 for numbers in hashes.values())
    assert len({number for numbers in hashes.values() for number in numbers}) == len(hashes)
