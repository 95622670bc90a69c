"""This module indexes runs of letters, so that words as people type them (typos, joined words, parts) still meet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from indexer.analysis import Analyser, fold
from indexer.impacts import Bm25, Impacts, Postings, impacts_of, numbered
from indexer.notes import Note

# A note has some 500 different runs.  Beyond this many notes they are left out.
GRAM_LIMIT = 20_000
_SIZES = (3, 4, 5)  # McNamee and Mayfield 2004: four and five letters serve European languages best
_LONGEST = 64  # letters of a word that are looked at: none is longer that anybody types


def grams(text: str, analyser: Analyser) -> list[str]:
    """Every run of 3 to 5 letters in the words of ``text``, stop words left out; "_" marks where a word ends."""
    found = []
    for token in analyser.tokens(text):
        if not analyser.is_stop(token.term):
            word = f"_{fold(text[token.start : token.end])[:_LONGEST]}_"
            found += [word[at : at + size] for size in _SIZES for at in range(len(word) - size + 1)]
    return found


def compile_grams(notes: Sequence[Note], analyser: Analyser, bm25: Bm25) -> Impacts:
    """Impacts of runs of letters, by the same formula and weights as those of terms."""
    counts = {field: [Counter(grams(getattr(note, field), analyser)) for note in notes] for field in bm25.fields}
    vocabulary = numbered({gram for field in counts.values() for note in field for gram in note})
    postings = {field: _postings(rows, vocabulary) for field, rows in counts.items()}
    return impacts_of(postings, vocabulary, len(notes), bm25)


def _postings(counts: Sequence[Counter[str]], vocabulary: dict[str, int]) -> Postings:
    entries = [(vocabulary[gram], row, count) for row, note in enumerate(counts) for gram, count in note.items()]
    table = np.array(entries, dtype=np.int64).reshape(-1, 3)
    return table[:, 0], table[:, 1], table[:, 2].astype(np.float64)
