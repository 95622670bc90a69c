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

from indexer.bert import Vectors
from indexer.impacts import Scores
from indexer.vectors import Rows

# A note's tokens take about 20 KB.  Beyond this many notes they are left out until they are stored more tightly.
LATE_LIMIT = 20_000

Quantised = npt.NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class TokenStates:
    """Token vectors of one text: ``codes`` int8 [n_tokens, dim] times ``scales`` float32 [n_tokens]."""

    codes: Quantised
    scales: npt.NDArray[np.float32]


def quantise(states: Vectors) -> TokenStates:
    """Token vectors at 8 bits a component, each with its own scale: a note's codes depend on the note alone."""
    scales = np.maximum(np.abs(states).max(axis=1, initial=0), 1e-12) / np.float32(127)
    return TokenStates(np.rint(states / scales[:, None]).astype(np.int8), scales.astype(np.float32))


@dataclass(frozen=True, slots=True)
class LateIndex:
    """The token vectors of all notes, end to end; the arrays may be memory maps."""

    codes: Quantised  # [n_tokens, dim]
    scales: npt.NDArray[np.float32]  # [n_tokens] what a code counts
    norms: npt.NDArray[np.float32]  # [n_tokens] length of the token's vector minus `mean`, above 0
    starts: npt.NDArray[np.int64]  # [n_notes + 1] where each note's tokens begin
    mean: Vectors  # [dim] the mean token of the collection

    def states(self, row: int) -> TokenStates:
        """A note's tokens as they were quantised."""
        part = slice(int(self.starts[row]), int(self.starts[row + 1]))
        return TokenStates(self.codes[part], self.scales[part])

    def centred(self, states: Vectors) -> Vectors:
        """Token vectors float32 [m, dim] minus the collection's mean token, as unit rows."""
        moved = states - self.mean
        unit: Vectors = moved / np.maximum(np.linalg.norm(moved, axis=1, keepdims=True), np.float32(1e-12))
        return unit

    def note_vectors(self, row: int) -> Vectors:
        """A note's tokens as unit rows, ready to be a query."""
        states = self.states(row)
        return self.centred(states.codes.astype(np.float32) * states.scales[:, None])

    def scores(self, query: Vectors, rows: Rows) -> Scores:
        """MaxSim of each note in ``rows`` with a query's unit token vectors: float32 [len(rows)], -1 to 1.

        0 for a note, or a query, without tokens.
        """
        return self.mutual_scores(query, rows)[0]

    def mutual_scores(self, query: Vectors, rows: Rows) -> tuple[Scores, Scores]:
        """MaxSim in both directions: the query's tokens looked for in each note, and each note's in the query."""
        sizes = self.starts[rows + 1] - self.starts[rows]
        first = np.concatenate([[0], np.cumsum(sizes)])
        places = np.repeat(self.starts[rows] - first[:-1], sizes) + np.arange(first[-1])
        there = np.zeros(len(rows), dtype=np.float32)
        back = np.zeros(len(rows), dtype=np.float32)
        if not len(query) or not len(places):
            return there, back
        # q . (code * scale - mean) / norm, without ever forming the centred vectors.
        products = query @ self.codes[places].astype(np.float32).T
        products *= self.scales[places]
        products -= (query @ self.mean)[:, None]
        products /= self.norms[places]
        present = sizes > 0
        begins = first[:-1][present]
        there[present] = np.maximum.reduceat(products, begins, axis=1).mean(axis=0)
        back[present] = np.add.reduceat(products.max(axis=0), begins) / sizes[present]
        return there, back


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
        moved = codes[begin:end] * scales[begin:end, None] - mean
        norms[begin:end] = np.maximum(np.linalg.norm(moved, axis=1), 1e-6)
    return LateIndex(codes, scales, norms, starts, mean)


def save_late(folder: Path, late: LateIndex) -> None:
    """Write the arrays into the new folder ``folder``, one .npy each."""
    folder.mkdir()
    for name in ("codes", "scales", "norms", "starts", "mean"):
        np.save(folder / f"{name}.npy", getattr(late, name), allow_pickle=False)


def load_late(folder: Path, n_notes: int, dim: int) -> LateIndex:
    """Memory-map what ``save_late`` wrote; ValueError when the arrays do not fit each other."""

    def load(name: str) -> npt.NDArray[np.generic]:
        array: npt.NDArray[np.generic] = np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
        return array

    codes, scales, norms, starts, mean = map(load, ("codes", "scales", "norms", "starts", "mean"))
    n_tokens = len(codes)
    if (
        codes.shape != (n_tokens, dim)
        or codes.dtype != np.int8
        or scales.shape != (n_tokens,)
        or norms.shape != (n_tokens,)
        or starts.shape != (n_notes + 1,)
        or starts[-1] != n_tokens
        or mean.shape != (dim,)
    ):
        raise ValueError("the arrays of token vectors do not fit each other")
    return LateIndex(
        np.asarray(codes, dtype=np.int8),
        np.asarray(scales, dtype=np.float32),
        np.asarray(norms, dtype=np.float32),
        np.asarray(starts, dtype=np.int64),
        np.asarray(mean, dtype=np.float32),
    )
