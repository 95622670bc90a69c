"""This module indexes runs of letters, so that words as people type them (typos, joined words, parts) still meet."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from indexer.analysis import Analyser, fold
from indexer.arrays import stable_order
from indexer.impacts import Bm25, Impacts, gather, impacts_of
from indexer.tokens import FIELDS, Tokens
from indexer.vocabulary import Vocabulary, sort_key

# A note has some 500 different runs.  Beyond this many notes they are left out.
GRAM_LIMIT = 20_000
_SIZES = (3, 4, 5)  # McNamee and Mayfield 2004: four and five letters serve European languages best
_LONGEST = 64  # letters of a word that are looked at: none is longer that anybody types


def grams(text: str, analyser: Analyser) -> list[str]:
    """Every run of 3 to 5 letters in the words of ``text``, stop words left out; "_" marks where a word ends."""
    return [
        run
        for token in analyser.tokens(text)
        if not analyser.is_stop(token.term)
        for run in _runs(text[token.start : token.end])
    ]


def _runs(form: str) -> list[str]:
    word = f"_{fold(form)[:_LONGEST]}_"
    return [word[at : at + size] for size in _SIZES for at in range(len(word) - size + 1)]


def gram_lengths(tokens: Tokens, analyser: Analyser) -> dict[str, int]:
    """How many runs of letters ``compile_grams`` counts in each field, over all notes."""
    sizes = np.array(
        [
            0 if analyser.is_stop(term) else len(_runs(form))
            for form, term in zip(tokens.forms, tokens.terms, strict=True)
        ],
        dtype=np.int64,
    )
    lengths = np.bincount(tokens.fields, weights=sizes[tokens.numbers], minlength=len(FIELDS))
    return {field: int(length) for field, length in zip(FIELDS, lengths, strict=True)}


def compile_grams(
    tokens: Tokens, n_notes: int, analyser: Analyser, bm25: Bm25, averages: Mapping[str, float] | None = None
) -> Impacts:
    """Impacts of runs of letters, by the same formula, weights and ``averages`` as those of terms.

    The runs of a word are taken once; those of a note are counted over its words.
    """
    runs = [
        () if analyser.is_stop(term) else _runs(form) for form, term in zip(tokens.forms, tokens.terms, strict=True)
    ]
    words = sorted({run for found in runs for run in found}, key=sort_key)
    numbers = {run: number for number, run in enumerate(words)}
    flat = np.array([numbers[run] for found in runs for run in found], dtype=np.int32)
    starts = np.cumsum([0, *map(len, runs)], dtype=np.int64)
    places, sizes, _ = gather(starts, tokens.numbers.astype(np.int64))
    found_runs = flat[places]
    order = stable_order(found_runs)  # tokens come by row
    found_runs, rows = found_runs[order], np.repeat(tokens.rows, sizes)[order]
    fields = np.repeat(tokens.fields.astype(np.uint8), sizes)[order]
    first = np.ones(len(order), dtype=np.bool_)
    first[1:] = (found_runs[1:] != found_runs[:-1]) | (rows[1:] != rows[:-1])
    owner = np.cumsum(first) - 1
    n_pairs = int(first.sum())
    counts = {field: np.bincount(owner[fields == FIELDS.index(field)], minlength=n_pairs) for field in bm25.fields}
    return impacts_of(Vocabulary.of(words), found_runs[first], rows[first], counts, n_notes, bm25, averages)
