"""This module holds the formulas behind the rankings that the bench compares with: arrays in, arrays out, no file.

Scores are float32 [n_queries, n_notes], higher is better.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from indexer import Rows, Scores, Vectors

Doubles = npt.NDArray[np.float64]


def unit_rows(rows: npt.NDArray[Any]) -> Vectors:
    """Each row divided by its length, float32; a row of zeros stays."""
    unit: Vectors = (rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-12)).astype(np.float32)
    return unit


def min_max(scores: Scores) -> Scores:
    """Each query's scores on a scale where the least of all notes is 0 and the greatest 1; 0 where all are equal."""
    least = scores.min(axis=1, keepdims=True)
    span = scores.max(axis=1, keepdims=True) - least
    scaled: Scores = np.where(span > 0, (scores - least) / np.where(span > 0, span, 1), 0).astype(np.float32)
    return scaled


def mixed(first: Scores, second: Scores, share: float) -> Scores:
    """``share`` of the first and the rest of the second, both on the scale of ``min_max``."""
    mixture: Scores = np.float32(share) * min_max(first) + np.float32(1 - share) * min_max(second)
    return mixture


def reciprocal_ranks(scores: Scores, retrieved: npt.NDArray[np.bool_], constant: int = 60) -> Scores:
    """One ranking's part of reciprocal rank fusion (Cormack, Clarke and Büttcher 2009): 1 / (constant + rank), from
    rank 1, and 0 for notes that were not retrieved.  Equal scores stand in the order of rows."""
    parts = np.zeros_like(scores)
    for part, row, found in zip(parts, scores, retrieved, strict=True):
        order = np.argsort(-row, kind="stable")
        order = order[found[order]]
        part[order] = 1 / (constant + np.arange(1, len(order) + 1))
    return parts


def averaged(views: list[Vectors], present: list[npt.NDArray[np.bool_]]) -> Vectors:
    """The unit mean of several views of each note: unit rows, float32 [n, dim].  A view that a note lacks (False in
    ``present``, bool [n] a view) is left out for it."""
    total = np.zeros(views[0].shape, dtype=np.float64)
    for view, here in zip(views, present, strict=True):
        total += view * here[:, None]
    return unit_rows(total)


def whitening(titles: Vectors, descriptions: Vectors, regulariser: float = 6.0) -> Vectors:
    """Within-class covariance normalisation (Hatch, Kajarekar and Stolcke 2006) with the note as the class, whose
    title and description are two readings of the same thing: symmetric, float32 [dim, dim].

    D = (titles - descriptions) / √2,  S = DᵀD / n = U diag(e) Uᵀ,  P = U diag(1 / √(e / mean(e) + regulariser)) Uᵀ

    The identity, scaled, where titles and descriptions do not differ, or there are none.
    """
    gaps = (titles.astype(np.float64) - descriptions) / np.sqrt(2)
    values, axes = np.linalg.eigh(gaps.T @ gaps / max(len(gaps), 1))
    values = np.clip(values, 0, None) / (values.mean() if values.mean() > 1e-12 else 1.0)
    matrix: Vectors = (axes / np.sqrt(values + regulariser) @ axes.T).astype(np.float32)
    return matrix


def neighbours(vectors: Vectors, count: int = 5) -> tuple[Rows, Vectors]:
    """Each note's nearest others by cosine, nearest first: their rows [n, count], and shares float32 [n, count], the
    cosines divided by their sum (equal where none is above 0).  ``vectors`` are unit rows; fewer where fewer are."""
    count = min(count, len(vectors) - 1)
    rows = np.empty((len(vectors), count), dtype=np.int64)
    shares = np.empty((len(vectors), count), dtype=np.float32)
    block = 1024  # rows of the matrix of cosines held at once: 20 MB at 5,000 notes
    for begin in range(0, len(vectors), block):
        cosines = vectors[begin : begin + block] @ vectors.T
        here = np.arange(len(cosines))
        cosines[here, begin + here] = -np.inf
        nearest = np.argsort(-cosines, axis=1, kind="stable")[:, :count]
        near = np.clip(np.take_along_axis(cosines, nearest, axis=1), 0, None)
        totals = near.sum(axis=1, keepdims=True)
        rows[begin : begin + block] = nearest
        shares[begin : begin + block] = np.where(totals > 0, near / np.where(totals > 0, totals, 1), 1 / max(count, 1))
    return rows, shares


def smoothed(scores: Scores, rows: Rows, shares: Vectors, strength: float = 0.4) -> Scores:
    """(1 - strength) s + strength K s, K being ``neighbours``: a note is worth what its neighbours are, too (score
    regularisation, Diaz 2005)."""
    if not rows.shape[1]:
        return scores
    heard = np.zeros_like(scores)
    for place in range(rows.shape[1]):
        heard += shares[:, place] * scores[:, rows[:, place]]
    smooth: Scores = np.float32(1 - strength) * scores + np.float32(strength) * heard
    return smooth


def principal_axes(covariance: Doubles, count: int) -> Vectors:
    """The ``count`` directions along which vectors vary most, as columns, the greatest first: float32 [dim, count]."""
    _, axes = np.linalg.eigh(covariance)
    leading: Vectors = axes[:, ::-1][:, :count].astype(np.float32)
    return leading


def at_8_bits(rows: Vectors) -> Vectors:
    """Rows as they come back from 8 bits a component, with a scale a row: its greatest component is 127."""
    scales = np.maximum(np.abs(rows).max(axis=1, initial=0, keepdims=True), np.float32(1e-12)) / np.float32(127)
    coarse: Vectors = np.rint(rows / scales) * scales
    return coarse


def max_similarity(queries: Vectors, query_sizes: Rows, notes: Vectors, note_sizes: Rows) -> Scores:
    """Late interaction (Khattab and Zaharia 2020): the mean, over a query's tokens, of the greatest product with a
    token of the note.

    Tokens of all queries, and of all notes, stand end to end as rows; the sizes say how many each has.  0 for a
    query or a note without tokens.
    """
    scores = np.zeros((len(query_sizes), len(note_sizes)), dtype=np.float32)
    asked, known = query_sizes > 0, note_sizes > 0
    if not asked.any() or not known.any():
        return scores
    products = queries @ notes.T
    best = np.maximum.reduceat(products, _begins(note_sizes[known]), axis=1)
    sums = np.add.reduceat(best, _begins(query_sizes[asked]), axis=0)
    scores[np.ix_(asked, known)] = sums / query_sizes[asked, None]
    return scores


def _begins(sizes: Rows) -> Rows:
    begins: Rows = np.cumsum(sizes) - sizes
    return begins
