"""This module finds the notes related to a note, for *Explore related*."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np

from indexer import Index, Note, Scores
from search.legs import Ranking, cosines, lexical_leg, lexical_scores, ranked, semantic_leg

# Candidates taken from each leg; far more than any list shows.
_CANDIDATES = 200
_LEXICAL_WEIGHT = 0.25
_SAME_TOPIC = 0.05


def related_notes(index: Index, row: int) -> tuple[Ranking, Mapping[str, Ranking], Mapping[int, float]]:
    """Every candidate by how related it is to the note in ``row``, itself left out.

    Returns the fused ranking, the two legs (cosine; BM25 with the note's text as query), and the note's terms by
    number with their counts.  Lexical evidence is taken in both directions, so that a long note does not win by
    its length: (s(a, b) / s(a, a) + s(b, a) / s(b, b)) / 2, where s(q, d) is the BM25 of d for the text of q.
    """
    note = index.note(row)
    others = np.ones(len(index), dtype=np.bool_)
    others[row] = False
    terms = _terms(index, note)
    forward = lexical_scores(index, terms)
    legs = {
        "lexical": lexical_leg(index, forward, others),
        "semantic": semantic_leg(index, index.vectors[row], others),
    }
    rows = np.union1d(*(leg.rows[:_CANDIDATES] for leg in legs.values()))
    meaning = cosines(index, index.vectors[row], rows)
    words = np.array([_mutual(index, row, terms, forward, int(other)) for other in rows], dtype=np.float32)
    same_topic = np.array([note.topic != "" and index.note(int(other)).topic == note.topic for other in rows])
    scores = (1 - _LEXICAL_WEIGHT) * meaning + _LEXICAL_WEIGHT * words + _SAME_TOPIC * same_topic
    return ranked(index, rows, scores.astype(np.float32)), legs, terms


def _terms(index: Index, note: Note) -> dict[int, float]:
    counts = Counter(index.manifest.analyser.terms(f"{note.title} {note.description}"))
    numbered = ((index.impacts.find(term), float(count)) for term, count in counts.items())
    return {number: count for number, count in numbered if number is not None}


def _mutual(index: Index, row: int, terms: Mapping[int, float], forward: Scores, other: int) -> float:
    back = _terms(index, index.note(other))
    own, their = float(forward[row]), _score(index, back, other)
    there = float(forward[other]) / own if own else 0.0
    here = _score(index, back, row) / their if their else 0.0
    return (there + here) / 2


def _score(index: Index, terms: Mapping[int, float], row: int) -> float:
    """The BM25 of one note for ``terms``."""
    total = 0.0
    for number, weight in terms.items():
        rows, values = index.impacts.postings(number)
        place = int(np.searchsorted(rows, row))
        if place < len(rows) and rows[place] == row:
            total += weight * float(values[place])
    return total
