"""This module writes what a generation knows of its notes' words, from one analysis of every text."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import numpy as np

from indexer.acronyms import save_acronyms
from indexer.analysis import Analyser
from indexer.grams import compile_grams
from indexer.impacts import Bm25, Impacts, compile_impacts, save_impacts
from indexer.mining import mine_acronyms
from indexer.notes import Note
from indexer.postings import collect, save_postings
from indexer.postings import renewed as renewed_postings
from indexer.renewal import Renewed
from indexer.tokens import tokenise
from indexer.words import compile_words, save_words
from indexer.words import renewed as renewed_words

Progress = Callable[[str, int, int], None]

_STEPS = 6


def renew_words(
    part: Path, notes: Renewed, analyser: Analyser, bm25: Bm25, language: Collection[str], progress: Progress
) -> Impacts:
    """What ``write_words`` does, without runs of letters, for notes of which most are as they were in an older index.

    The acronyms are those of that index.
    """
    old, rows = notes.old, np.array(list(notes.fresh), dtype=np.int32)
    progress("indexing words", 0, 4)
    fresh_notes = list(notes.fresh.values())
    fresh = tokenise(fresh_notes, analyser)
    gone = tokenise([old.note(row) for row in notes.gone.tolist()], analyser)
    postings = renewed_postings(old.postings, notes.kept, collect(fresh, fresh_notes), rows)
    save_postings(part / "postings", postings)
    progress("indexing words", 1, 4)
    impacts = compile_impacts(postings, analyser, bm25)
    save_impacts(part / "impacts", impacts)
    progress("indexing words", 2, 4)
    save_words(part / "words", renewed_words(old.words, old.impacts, gone, fresh, analyser, impacts, language))
    progress("indexing words", 3, 4)
    save_acronyms(part / "acronyms", old.acronyms)
    progress("indexing words", 4, 4)
    return impacts


def write_words(
    part: Path,
    notes: Sequence[Note],
    analyser: Analyser,
    bm25: Bm25,
    language: Collection[str],
    with_grams: bool,
    progress: Progress,
) -> Impacts:
    """Write postings, impacts, words (those of ``language`` included), acronyms and, ``with_grams``, runs of letters
    into the new generation ``part``; the impacts come back."""

    def done(step: int) -> None:
        progress("indexing words", step, _STEPS)

    done(0)
    tokens = tokenise(notes, analyser)
    done(1)
    postings = collect(tokens, notes)
    save_postings(part / "postings", postings)
    done(2)
    impacts = compile_impacts(postings, analyser, bm25)
    save_impacts(part / "impacts", impacts)
    done(3)
    save_words(part / "words", compile_words(tokens, analyser, impacts, language))
    done(4)
    save_acronyms(part / "acronyms", mine_acronyms(notes, tokens, analyser, impacts))
    done(5)
    if with_grams:
        save_impacts(part / "grams", compile_grams(tokens, len(notes), analyser, bm25))
    done(6)
    return impacts
