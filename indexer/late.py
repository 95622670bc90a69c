"""This module keeps every note's token vectors, so that a query's words can meet a note's words one by one.

Late interaction (Khattab and Zaharia 2020, ColBERT): the likeness of a query to a note is the mean, over the query's
tokens, of the greatest cosine with any token of the note.  Here the tokens are the encoder's own last hidden states,
which were never trained for it, minus the collection's mean token: without that, every token resembles every other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from indexer.arrays import load_arrays, misfit, save_arrays
from indexer.bert import Vectors
from indexer.impacts import Scores, gather
from indexer.vectors import Rows

# A note's tokens take about 20 KB.  Beyond this many notes they are left out until they are stored more tightly.
LATE_LIMIT = 20_000

# The arrays of an index with their types on disk.
_ARRAYS = {
    "codes": "|i1",
    "scales": "<f4",
    "norms": "<f4",
    "starts": "<i8",
    "mean": "<f4",
    "pieces": "<i4",
    "rarity": "<f4",
}

Quantised = npt.NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class TokenStates:
    """Token vectors of one text: ``codes`` int8 [n_tokens, dim] times ``scales`` float32 [n_tokens]."""

    codes: Quantised
    scales: npt.NDArray[np.float32]
    pieces: npt.NDArray[np.int32]  # [n_tokens] which word piece each stands for


@dataclass(frozen=True, slots=True)
class WeightedTokens:
    """A text ready to be compared: unit token vectors float32 [n_tokens, dim], and a weight each, above 0.

    ``pieces`` int32 [n_tokens] says which word piece each stands for.
    """

    vectors: Vectors
    weights: npt.NDArray[np.float32]
    pieces: npt.NDArray[np.int32]


def quantise(states: Vectors, pieces: npt.NDArray[np.int32]) -> TokenStates:
    """Token vectors at 8 bits a component, each with its own scale: a note's codes depend on the note alone."""
    scales = np.maximum(np.abs(states).max(axis=1, initial=0), 1e-12) / np.float32(127)
    return TokenStates(np.rint(states / scales[:, None]).astype(np.int8), scales.astype(np.float32), pieces)


@dataclass(frozen=True, slots=True)
class LateIndex:
    """The token vectors of all notes, end to end; the arrays may be memory maps."""

    codes: Quantised  # [n_tokens, dim]
    scales: npt.NDArray[np.float32]  # [n_tokens] what a code counts
    norms: npt.NDArray[np.float32]  # [n_tokens] length of the token's vector minus `mean`, above 0
    starts: npt.NDArray[np.int64]  # [n_notes + 1] where each note's tokens begin
    mean: Vectors  # [dim] the mean token of the collection
    pieces: npt.NDArray[np.int32]  # [n_tokens] which word piece each stands for
    rarity: npt.NDArray[np.float32]  # [n_pieces] weight of each word piece up to the highest one in a note

    def states(self, row: int) -> TokenStates:
        """A note's tokens as they were quantised."""
        part = slice(int(self.starts[row]), int(self.starts[row + 1]))
        return TokenStates(self.codes[part], self.scales[part], self.pieces[part])

    def prepare(self, states: Vectors, pieces: npt.NDArray[np.int32]) -> WeightedTokens:
        """Tokens float32 [n_tokens, dim] minus the collection's mean, as unit rows, weighted by rarity."""
        return weighted(states, pieces, self.mean, self.rarity, len(self.starts) - 1)

    def note_tokens(self, row: int) -> WeightedTokens:
        """A note, ready to be a query."""
        states = self.states(row)
        return self.prepare(states.codes.astype(np.float32) * states.scales[:, None], states.pieces)

    def scores(self, query: WeightedTokens, rows: Rows) -> Scores:
        """MaxSim of each note in ``rows``: the weighted mean, over the query's tokens, of the greatest cosine with a
        token of the note: float32 [len(rows)], -1 to 1; 0 for a note, or a query, without tokens."""
        return self.mutual_scores(query, rows)[0]

    def mutual_scores(self, query: WeightedTokens, rows: Rows) -> tuple[Scores, Scores]:
        """MaxSim in both directions: the query's tokens looked for in each note, and each note's in the query."""
        places, sizes, first = gather(self.starts, rows)
        there = np.zeros(len(rows), dtype=np.float32)
        back = np.zeros(len(rows), dtype=np.float32)
        if not len(query.vectors) or not len(places):
            return there, back
        # q . (code * scale - mean) / norm, without ever forming the centred vectors.
        products = query.vectors @ self.codes[places].astype(np.float32).T
        products *= self.scales[places]
        products -= (query.vectors @ self.mean)[:, None]
        products /= self.norms[places]
        present = sizes > 0
        begins = first[present]
        there[present] = query.weights / query.weights.sum() @ np.maximum.reduceat(products, begins, axis=1)
        weights = self.rarity[self.pieces[places]]
        back[present] = np.add.reduceat(weights * products.max(axis=0), begins) / np.add.reduceat(weights, begins)
        return there, back


def weighted(
    states: Vectors, pieces: npt.NDArray[np.int32], mean: Vectors, rarity: npt.NDArray[np.float32], n_notes: int
) -> WeightedTokens:
    """Tokens float32 [n_tokens, dim] minus the collection's mean, as unit rows, weighted by rarity among ``n_notes``
    notes."""
    moved = states - mean
    unit: Vectors = moved / np.maximum(np.linalg.norm(moved, axis=1, keepdims=True), np.float32(1e-12))
    known = np.minimum(pieces, len(rarity) - 1)
    weights = np.where(pieces < len(rarity), rarity[known], rarity_of(0, n_notes))
    return WeightedTokens(unit, weights.astype(np.float32), pieces)


def rarity_of(frequency: npt.ArrayLike, n_notes: int) -> npt.NDArray[np.float64]:
    """Weight of a word piece that stands in ``frequency`` of ``n_notes`` notes: the square root of BM25's idf.  The
    root is flatter than idf itself, because a vector already says how much its word means."""
    count = np.asarray(frequency, dtype=np.float64)
    return np.sqrt(np.log1p((n_notes - count + 0.5) / (count + 0.5)))


def lengths_from(mean: Vectors, codes: Quantised, scales: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The length of each token's vector minus ``mean``, above 0: float32 [n_tokens]."""
    lengths: npt.NDArray[np.float32] = np.maximum(np.linalg.norm(codes * scales[:, None] - mean, axis=1), 1e-6)
    return lengths


def assemble(notes: Sequence[TokenStates], dim: int) -> LateIndex:
    """The index over the tokens of all notes, in the order of rows."""
    codes = np.concatenate([states.codes for states in notes]) if notes else np.zeros((0, dim), dtype=np.int8)
    scales = np.concatenate([states.scales for states in notes]) if notes else np.zeros(0, dtype=np.float32)
    starts = np.cumsum([0, *(len(states.scales) for states in notes)], dtype=np.int64)
    total = np.zeros(dim, dtype=np.float64)
    for states in notes:
        total += states.scales.astype(np.float64) @ states.codes
    mean = (total / max(len(codes), 1)).astype(np.float32)
    norms = np.empty(len(codes), dtype=np.float32)
    for begin, end in pairwise(starts):
        norms[begin:end] = lengths_from(mean, codes[begin:end], scales[begin:end])
    pieces = np.concatenate([states.pieces for states in notes]) if notes else np.zeros(0, dtype=np.int32)
    frequency = np.zeros(int(pieces.max(initial=0)) + 1, dtype=np.int64)
    for states in notes:
        frequency[np.unique(states.pieces)] += 1
    rarity = rarity_of(frequency, len(notes)).astype(np.float32)
    return LateIndex(codes, scales, norms, starts, mean, pieces, rarity)


def save_late(folder: Path, late: LateIndex) -> None:
    """Write the arrays into the new folder ``folder``, one .npy each."""
    save_arrays(folder, late, _ARRAYS)


def load_late(folder: Path, n_notes: int, dim: int) -> LateIndex:
    """Memory-map what ``save_late`` wrote; ValueError when the arrays do not fit each other."""

    late = LateIndex(**load_arrays(folder, _ARRAYS, "token vectors"))
    n_tokens = len(late.codes)
    fits = (
        late.codes.shape == (n_tokens, dim)
        and late.scales.shape == late.norms.shape == late.pieces.shape == (n_tokens,)
        and late.starts.shape == (n_notes + 1,)
        and late.starts[-1] == n_tokens
        and late.mean.shape == (dim,)
        and len(late.rarity) > late.pieces.max(initial=0)
    )
    if not fits:
        raise misfit("token vectors")
    return late
