"""This module learns from the notes' own titles and descriptions which directions of a vector tell notes apart.

A title and the description below it speak of the same thing, so what their vectors differ in is manner, not matter.
Within-class covariance normalisation (Hatch, Kajarekar and Stolcke 2006), with the note as the class, shrinks those
directions, in closed form:

    D = (t - d) / sqrt(2) over the pairs,   S = D'D / n = U diag(e) U'
    P = U diag(1 / sqrt(e / mean(e) + 4)) U',   applied to every vector, which is then made a unit vector again

It is used only where it brings held-out titles nearer to their descriptions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from indexer.bert import Vectors
from indexer.notes import Note
from indexer.pairs import evenly_spread
from indexer.vectors import Rows, load_vectors, save_vectors

# Added to every eigenvalue, whose mean is 1: 2 to 8 differ by less than 0.003 on four collections, and 0.3 learns 200
# notes by heart.
_SHRINKAGE = 4.0
# Pairs to learn from: 50, or an eighth of a larger collection, so that the step stays a small part of a build.  Fewer
# cannot tell whether it helps; with 50, 64, 100, 150 or all 203 pairs the judged notes differ by less than 0.01.
_LEAST_PAIRS, _SHARE, _MOST_PAIRS = 50, 8, 1024
_FOLDS = 5
# Notes among which a held-out description is looked for.  Among a few hundred nearly all are found, and nothing shows.
_MOST_RIVALS = 5000

Matrix = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Whitening:
    """How well held-out titles find their descriptions: mean reciprocal ranks, plain and whitened."""

    pairs: int
    plain: float
    whitened: float

    @property
    def helps(self) -> bool:
        """Whether the vectors of this collection are to be whitened."""
        return self.whitened > self.plain

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class TrainingPairs:
    """Titles and descriptions encoded apart, of the notes that were chosen to learn from, in the order of ``keys``."""

    keys: npt.NDArray[np.uint8]  # [n_pairs, 32] SHA-256 of each note's texts, ascending
    titles: Vectors  # [n_pairs, dim]
    descriptions: Vectors  # [n_pairs, dim]


def chosen_rows(notes: Sequence[Note]) -> tuple[Rows, list[bytes]]:
    """The notes to learn from, by row, and the hashes of their texts; none where fewer than 50 notes have both texts.

    Chosen by those hashes, the smallest first, so that a changed note leaves the choice of the others alone.
    """
    hashed: dict[bytes, int] = {}
    for row, note in enumerate(notes):
        if note.title.strip() and note.description.strip():
            hashed.setdefault(sha256(f"{note.title}\0{note.description}".encode()).digest(), row)
    wanted = min(max(_LEAST_PAIRS, len(hashed) // _SHARE), _MOST_PAIRS) if len(hashed) >= _LEAST_PAIRS else 0
    keys = sorted(hashed)[:wanted]
    return np.array([hashed[key] for key in keys], dtype=np.int64), keys


def encode_pairs(
    notes: Sequence[Note], keys: Sequence[bytes], encode: Callable[[Sequence[str]], Vectors], old: TrainingPairs | None
) -> TrainingPairs:
    """Encode the titles and descriptions of the chosen ``notes``, but for those that ``old`` holds already."""
    known = {} if old is None else {key.tobytes(): place for place, key in enumerate(old.keys)}
    new = [place for place, key in enumerate(keys) if key not in known]
    titles = dict(zip(new, encode([notes[place].title for place in new]), strict=True))
    descriptions = dict(zip(new, encode([notes[place].description for place in new]), strict=True))
    if old is not None:
        for place, key in enumerate(keys):
            if key in known:
                titles[place], descriptions[place] = old.titles[known[key]], old.descriptions[known[key]]
    order = range(len(keys))
    return TrainingPairs(
        np.frombuffer(b"".join(keys), dtype=np.uint8).reshape(-1, 32),
        np.array([titles[place] for place in order], dtype=np.float32),
        np.array([descriptions[place] for place in order], dtype=np.float32),
    )


def learn(pairs: TrainingPairs, encoded: Vectors, rows: Rows) -> tuple[Whitening, Matrix]:
    """What held-out pairs say, and the matrix from all pairs, float32 [dim, dim], symmetric.

    In five folds each title is looked for, by a matrix that was learned from the other folds, among the vectors of up
    to 5,000 notes (``encoded``, of which ``rows`` are those of the pairs), its own note standing there by its
    description alone.
    """
    titles, descriptions = pairs.titles, pairs.descriptions
    rivals = evenly_spread(len(encoded), _MOST_RIVALS)
    plain: list[float] = []
    whitened: list[float] = []
    fold_of = np.arange(len(titles)) % _FOLDS
    for fold in range(_FOLDS):
        held = fold_of == fold
        matrix = matrix_of(titles[~held], descriptions[~held])
        own = rivals == rows[held][:, None]
        plain += reciprocal_ranks(titles[held], descriptions[held], encoded[rivals], own)
        moved = [whiten(part, matrix) for part in (titles[held], descriptions[held], encoded[rivals])]
        whitened += reciprocal_ranks(moved[0], moved[1], moved[2], own)
    facts = Whitening(len(titles), float(np.mean(plain)), float(np.mean(whitened)))
    return facts, matrix_of(titles, descriptions)


def matrix_of(titles: Vectors, descriptions: Vectors) -> Matrix:
    """P, float32 [dim, dim]; half the identity where titles and descriptions do not differ at all.

    By the singular values of D, because there are fewer pairs than dimensions: every other eigenvalue of S is 0.
    """
    gaps = (titles.astype(np.float64) - descriptions) / np.sqrt(2 * len(titles))
    _, roots, axes = np.linalg.svd(gaps, full_matrices=False)
    values, dim = roots**2, gaps.shape[1]
    scaled = values / max(float(values.sum()) / dim, 1e-12)
    rest = 1 / np.sqrt(_SHRINKAGE)
    turned = (axes.T * (1 / np.sqrt(scaled + _SHRINKAGE) - rest)) @ axes
    matrix: Matrix = (rest * np.eye(dim) + turned).astype(np.float32)
    return matrix


def whiten(vectors: Vectors, matrix: Matrix) -> Vectors:
    """Vectors times the matrix, as unit vectors: float32, the shape of ``vectors`` ([dim] or [n, dim])."""
    moved = vectors @ matrix
    unit: Vectors = moved / np.maximum(np.linalg.norm(moved, axis=-1, keepdims=True), np.float32(1e-12))
    return unit


def reciprocal_ranks(
    titles: Vectors, descriptions: Vectors, rivals: Vectors, own: npt.NDArray[np.bool_]
) -> list[float]:
    """1 / rank of each title's description, by inner product, among it and all ``rivals`` but those that are its own
    note: bool [n_titles, n_rivals].  Of equals the description comes first."""
    wanted = np.einsum("ij,ij->i", titles, descriptions)
    better = (titles @ rivals.T > wanted[:, None]) & ~own
    return [1 / (1 + int(count)) for count in better.sum(axis=1)]


def save_pairs(folder: Path, pairs: TrainingPairs) -> None:
    """Write the arrays into the new folder ``folder``, one .npy each."""
    folder.mkdir()
    np.save(folder / "keys.npy", pairs.keys, allow_pickle=False)
    save_vectors(folder / "titles.npy", pairs.titles)
    save_vectors(folder / "descriptions.npy", pairs.descriptions)


def load_pairs(folder: Path, n_pairs: int, dim: int) -> TrainingPairs:
    """Memory-map what ``save_pairs`` wrote; ValueError when the arrays do not fit."""
    keys = np.load(folder / "keys.npy", mmap_mode="r", allow_pickle=False)
    if keys.dtype != np.uint8 or keys.shape != (n_pairs, 32):
        raise ValueError("the keys of the training pairs do not fit the manifest")
    return TrainingPairs(
        keys,
        load_vectors(folder / "titles.npy", n_pairs, dim),
        load_vectors(folder / "descriptions.npy", n_pairs, dim),
    )
