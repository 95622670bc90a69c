"""This module computes the rankings that the product is compared with, each over every note of a collection.

They follow one recipe without labels, its constants set once for all collections: words and vectors alone, their
usual fusions, and A to E, which add one idea each.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.formulas import (
    averaged,
    min_max,
    mixed,
    neighbours,
    reciprocal_ranks,
    smoothed,
    unit_rows,
    whitening,
)
from benchmarks.late import late_scores
from indexer import Index, Note, Scores, TokenEncoder, Vectors
from search.evaluate import RUN_DEPTH, Judgements, Run

BM25 = "BM25"
MEANING = "MiniLM, one vector a note"
# (name, principal axes at 8 bits) of each form of late interaction
_LATE_FORMS: tuple[tuple[str, int | None], ...] = (("", None), (", 96 × 8 bits", 96), (", 128 × 8 bits", 128))
_VECTORS_SHARE = 0.75  # of min-max with BM25
_WHITENED_SHARE = 0.7  # of C
_LATE_SHARE = 0.5  # of E
_WEAK_SMOOTHING = 0.1  # for collections where one note is relevant, beside the usual 0.4


@dataclass(frozen=True, slots=True)
class Views:
    """A collection's vectors, unit rows, float32 [n_notes, dim]."""

    one: Vectors  # of title and description as one text
    averaged: Vectors  # A: of four views
    whitened: Vectors  # B: A by ``whitening``
    whitening: Vectors  # [dim, dim]


def note_text(note: Note) -> str:
    """What the encoder reads of a note."""
    return f"{note.title} {note.description}".strip()


def views(notes: Sequence[Note], encoder: TokenEncoder) -> Views:
    """The four views are: title; description; both; topic and both.  A note without topic has the third twice; a
    note without title or description goes without that view, and does not teach the whitening."""
    titles = encoder.encode_documents([note.title for note in notes])
    descriptions = encoder.encode_documents([note.description for note in notes])
    one = encoder.encode_documents([note_text(note) for note in notes])
    with_topic = encoder.encode_documents(
        [f"{note.topic}. {note_text(note)}" if note.topic else note_text(note) for note in notes]
    )
    has_title = np.array([bool(note.title.strip()) for note in notes])
    has_description = np.array([bool(note.description.strip()) for note in notes])
    always = np.ones(len(notes), dtype=np.bool_)
    average = averaged([titles, descriptions, one, with_topic], [has_title, has_description, always, always])
    both = has_title & has_description
    matrix = whitening(titles[both], descriptions[both])
    return Views(one, average, unit_rows(average @ matrix), matrix)


def query_rankings(
    index: Index, notes: Sequence[Note], encoder: TokenEncoder, known: Views, queries: Mapping[str, str], cache: Path
) -> dict[str, Run]:
    """The run of each ranking over ``queries`` (id -> text), in the order in which one builds on another."""
    texts = list(queries.values())
    vectors = np.array([encoder.encode_query(text) for text in texts], dtype=np.float32)
    words = np.array([bm25(index, text) for text in texts], dtype=np.float32)
    meaning: Scores = vectors @ known.one.T
    fused = reciprocal_ranks(words, words > 0) + reciprocal_ranks(meaning, np.ones_like(meaning, dtype=np.bool_))
    whitened: Scores = unit_rows(vectors @ known.whitening) @ known.whitened.T
    near = neighbours(known.whitened)
    mixture = mixed(whitened, words, _WHITENED_SHARE)
    table: dict[str, Scores] = {
        MEANING: meaning,
        "RRF, k = 60": fused,
        "min-max, 3/4 on the vectors": mixed(meaning, words, _VECTORS_SHARE),
        "A: four views averaged": vectors @ known.averaged.T,
        "B: A whitened": whitened,
        "C: 0.7 B + 0.3 BM25, smoothed": smoothed(mixture, *near),
        "C, smoothed by 0.1": smoothed(mixture, *near, _WEAK_SMOOTHING),
    }
    forms = late_scores(encoder, [note_text(note) for note in notes], texts, [size for _, size in _LATE_FORMS], cache)
    for (name, _), late in zip(_LATE_FORMS, forms, strict=True):
        # C's own scale is kept: it is between 0 and 1 already.
        halves = np.float32(1 - _LATE_SHARE) * mixture + np.float32(_LATE_SHARE) * min_max(late)
        table[f"D: late interaction{name}"] = late
        table[f"E: C and D, smoothed{name}"] = smoothed(halves, *near)
        if not name:
            table["E, smoothed by 0.1"] = smoothed(halves, *near, _WEAK_SMOOTHING)
    ids = [note.id for note in notes]
    return {
        BM25: as_run(queries, ids, words, words > 0),
        **{name: as_run(queries, ids, scores) for name, scores in table.items()},
    }


def related_rankings(index: Index, notes: Sequence[Note], known: Views, judgements: Judgements) -> dict[str, Run]:
    """The run of each ranking of related notes, for the judged notes that the index holds; a note's own place in its
    list is left out."""
    rows = {note.id: row for row, note in enumerate(notes)}
    sources = [note_id for note_id in judgements if note_id in rows]
    own = np.array([rows[note_id] for note_id in sources], dtype=np.int64)
    words = np.array([bm25(index, note_text(notes[row])) for row in own.tolist()], dtype=np.float32)
    others = np.ones(words.shape, dtype=np.bool_)
    others[np.arange(len(own)), own] = False
    ids = [note.id for note in notes]
    return {
        BM25: as_run(sources, ids, words, others & (words > 0)),
        **{
            name: as_run(sources, ids, vectors[own] @ vectors.T, others)
            for name, vectors in (
                ("MiniLM, cosine", known.one),
                ("A: four views averaged, cosine", known.averaged),
                ("B: A whitened, cosine", known.whitened),
            )
        },
    }


def bm25(index: Index, text: str) -> Scores:
    """BM25F of every note for the words of ``text``, whatever signs stand in it: float32 [n_notes]."""
    counts = Counter(index.manifest.analyser.terms(text))
    return index.impacts.scores(index.impacts.known(counts))


def as_run(
    queries: Iterable[str], ids: Sequence[str], scores: Scores, retrieved: npt.NDArray[np.bool_] | None = None
) -> Run:
    """The first 100 notes of each query, by score, then by id; ``retrieved`` leaves out the others."""
    alphabetic = np.empty(len(ids), dtype=np.int64)
    alphabetic[sorted(range(len(ids)), key=lambda row: ids[row])] = np.arange(len(ids))
    run = {}
    for place, query in enumerate(queries):
        order = np.lexsort((alphabetic, -scores[place]))
        if retrieved is not None:
            order = order[retrieved[place][order]]
        run[query] = [(ids[row], float(scores[place, row])) for row in order[:RUN_DEPTH].tolist()]
    return run
