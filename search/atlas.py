"""This module draws the map of the notes: where each lies on a plane, and where the names of topics stand on it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from indexer import Home, Rows, Vectors, one_blas_thread

Places = npt.NDArray[np.float32]  # [n, 2]: x to the right and y, both from 0 to 1
Topics = npt.NDArray[np.int32]  # [n]: a number a topic, 0 for none, as in Index.topics

# Up to this many notes pull and push each other; of more, so many do, and the others are set among them.
LANDMARKS = 1500
# How many neighbours a note feels, at most a quarter of the notes.  On 203 notes trustworthiness is 0.822 with 15,
# 0.836 with 30 and 0.847 with 50.
_PERPLEXITY = 50
# How much nearer (in squared distance) two notes of a topic count.  On 203 notes in 20 topics, 33 of 100 neighbours
# on the map are of the note's topic instead of 21, and trustworthiness falls from 0.847 to 0.836; a pull of 0.2 gives
# 60 for 0.802, and draws the topics rather than the notes.
_TOPIC_PULL = 0.1
# Attraction counts so often at first, and falls to once over most of the steps: groups find each other before they
# settle.  The usual 12, dropped at once, moves every point when a single note is added.
_EXAGGERATION = 4.0
_STEPS, _FALLING = 500, 0.7  # 200 to 800 steps keep the same neighbours within 1 of 100
_RATE = 0.25  # of n: below it the descent cannot swing (Linderman and Steinerberger 2019)
_MOMENTUM = 0.8
_LEAST = 8  # of fewer notes there are no neighbours to speak of, and the plane of PCA is the map
_BLOCK = 4096  # rows at a time, to bound the memory
_NEAREST = 3  # landmarks that a note is set between; with 5 or 10 it loses more of its neighbours


def positions(vectors: Vectors, topics: Topics | None = None, landmarks: int = LANDMARKS) -> Places:
    """Where each note lies on the map: float32 [n, 2] from 0 to 1, row i for row i of ``vectors``.

    Notes that are alike lie near each other, which is more than a projection can do: on 203 notes 41 of 100
    neighbours (of the ten nearest) are kept, by PCA 17.  Distances between far regions mean little.  ``topics`` draws
    notes of one topic a little together, so that it becomes a region.  Both axes have one scale, and the longer side
    fills it.

    t-SNE (van der Maaten and Hinton 2008) from the first two principal components, with a falling exaggeration; above
    ``landmarks`` notes over so many of them, and each other note lies between the three of these nearest to it: 5,000
    notes take 4 s, 100,000 take 14 s.  Equal input gives equal bytes on one machine, and places within 0.00001 of
    these on another; a note more moves the others little.  One note, or notes that are all equal, lie in the middle;
    equal vectors among others lie at one place or side by side.
    """
    if topics is None:
        topics = np.zeros(len(vectors), dtype=np.int32)
    with one_blas_thread():  # one order of summation
        plane = _principal_plane(vectors)
        if len(vectors) < _LEAST or not plane.any():
            return _fitted(plane)
        rows = _landmarks(vectors, landmarks)
        placed = _turned(_embedded(vectors[rows], topics[rows], plane[rows]), plane[rows])
        if len(rows) < len(vectors):
            placed = _set_among(vectors, rows, placed)
    return _fitted(placed)


def positions_in(index: Home) -> Places:
    """The same for the notes of an index, in their order."""
    rows = index.rows()
    return positions(index.vectors_of(rows), index.topics_of(rows))


def _landmarks(vectors: Vectors, count: int) -> Rows:
    """All rows, or the ``count`` whose bytes have the smallest hashes: a choice that a new note hardly changes, and
    that takes equal vectors once."""
    if len(vectors) <= count:
        return np.arange(len(vectors), dtype=np.int64)
    first: dict[bytes, int] = {}
    for row, vector in enumerate(vectors):
        first.setdefault(hashlib.blake2b(vector.tobytes(), digest_size=16).digest(), row)
    return np.array([first[digest] for digest in sorted(first)[:count]], dtype=np.int64)


def _principal_plane(vectors: Vectors) -> Places:
    """The vectors on their first two principal components, to six decimals: below lies rounding, not meaning."""
    plane = np.zeros((len(vectors), 2))
    if not len(vectors):
        return plane.astype(np.float32)
    mean = vectors.mean(axis=0, dtype=np.float64)
    blocks = range(0, len(vectors), _BLOCK)
    scatter = np.zeros((len(mean), len(mean)))
    for at in blocks:
        centred = vectors[at : at + _BLOCK] - mean
        scatter += centred.T @ centred
    axes = np.linalg.eigh(scatter)[1][:, ::-1][:, :2]
    # A component has no sign of its own.  With the greatest one positive 22 of 203 notes turn the map over when they
    # are left out, with the sum of all none.
    axes = axes * np.where(axes.sum(axis=0) < 0, -1, 1)
    for at in blocks:
        plane[at : at + _BLOCK, : axes.shape[1]] = (vectors[at : at + _BLOCK] - mean) @ axes
    return np.round(plane, 6).astype(np.float32)


def _squares(left: Vectors, right: Vectors) -> npt.NDArray[np.float32]:
    """Squared distances: float32 [len(left), len(right)]."""
    lengths = np.einsum("ij,ij->i", left, left)[:, None] + np.einsum("ij,ij->i", right, right)
    squares: npt.NDArray[np.float32] = np.maximum(lengths - 2 * (left @ right.T), 0)
    return squares


def _attraction(squares: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The symmetric joint probabilities of t-SNE: float32 [n, n], sum 1, diagonal 0.

    Row i is a Gaussian over the other notes, as wide as gives it the perplexity (found by bisection).
    """
    n = len(squares)
    wanted = np.log(min(_PERPLEXITY, (n - 1) / 4))
    others = ~np.eye(n, dtype=np.bool_)
    beyond = squares - np.where(others, squares, np.inf).min(axis=1, keepdims=True)
    beyond[~others] = 0
    low, high, sharpness = np.zeros(n), np.full(n, np.inf), np.ones(n)
    for _ in range(30):
        weights = np.exp(-beyond * sharpness[:, None].astype(np.float32)) * others
        totals = weights.sum(axis=1, dtype=np.float64)
        entropy = np.log(totals) + sharpness * np.einsum("ij,ij->i", weights, beyond) / totals
        wide = entropy > wanted
        low, high = np.where(wide, sharpness, low), np.where(wide, high, sharpness)
        sharpness = np.where(np.isinf(high), 2 * sharpness, (low + high) / 2)
    rows = weights / totals[:, None]
    joint: npt.NDArray[np.float32] = ((rows + rows.T) / (2 * n)).astype(np.float32)
    return joint


def _embedded(vectors: Vectors, topics: Topics, start: Places) -> Places:
    """Gradient descent on the Kullback-Leibler divergence from attraction to nearness on the map; ``start`` is
    scaled to a deviation of 1."""
    n = len(vectors)
    squares = _squares(vectors, vectors)
    squares *= np.where((topics[:, None] == topics) & (topics != 0), np.float32(1 - _TOPIC_PULL), np.float32(1))
    attraction = _attraction(squares)
    places: Places = start / start[:, 0].std()
    velocity = np.zeros_like(places)
    near, pulls = np.empty_like(squares), np.empty_like(squares)
    ones = np.ones((n, 1), dtype=np.float32)
    for step in range(_STEPS):
        exaggeration = max(1.0, _EXAGGERATION + (1 - _EXAGGERATION) * step / (_FALLING * _STEPS))
        lengths = np.einsum("ij,ij->i", places, places)
        np.matmul(places, -2 * places.T, out=near)
        near += lengths
        near += lengths[:, None] + 1
        np.maximum(near, 1, out=near)
        np.reciprocal(near, out=near)  # 1 / (1 + squared distance on the map)
        np.fill_diagonal(near, 0)
        total = near.sum(dtype=np.float64)
        homogeneous = np.hstack([places, ones])
        pull = np.multiply(attraction, near, out=pulls) @ homogeneous
        push = np.multiply(near, near, out=near) @ homogeneous
        gradient = exaggeration * (pull[:, 2:] * places - pull[:, :2]) - (push[:, 2:] * places - push[:, :2]) / total
        velocity = _MOMENTUM * velocity - 4 * _RATE * n / exaggeration * gradient
        places = (places + velocity).astype(np.float32)
    return places


def _turned(places: Places, plane: Places) -> Places:
    """The map turned, and turned over, to lie as nearly as it can as the principal plane does: a descent keeps shapes
    from run to run, but not how they lie (orthogonal Procrustes, Schönemann 1966)."""
    left, _, right = np.linalg.svd((places - places.mean(axis=0)).T.astype(np.float64) @ plane)
    turned: Places = (places @ (left @ right)).astype(np.float32)
    return turned


def _set_among(vectors: Vectors, rows: Rows, placed: Places) -> Places:
    """Every note between its three nearest landmarks, which lie in ``rows`` and at ``placed``, each weighing the
    inverse of its squared distance (Shepard 1968)."""
    places = np.empty((len(vectors), 2), dtype=np.float32)
    landmarks = vectors[rows]
    for at in range(0, len(vectors), _BLOCK):
        squares = _squares(vectors[at : at + _BLOCK], landmarks)
        nearest = np.argsort(squares, axis=1, kind="stable")[:, :_NEAREST]
        weights = 1 / (np.take_along_axis(squares, nearest, axis=1) + 1e-6)
        weights /= weights.sum(axis=1, keepdims=True)
        places[at : at + _BLOCK] = np.einsum("ij,ijk->ik", weights, placed[nearest])
    places[rows] = placed
    return places


def _fitted(places: Places) -> Places:
    """Moved and scaled into the unit square, in its middle, the longer side filling it."""
    if not len(places):
        return places
    low, high = places.min(axis=0), places.max(axis=0)
    side = float((high - low).max()) or 1.0
    fitted: Places = np.clip((places - (low + high) / 2) / side + 0.5, 0, 1).astype(np.float32)
    return fitted


@dataclass(frozen=True, slots=True)
class Label:
    """A topic's name on the map; ``x`` and ``y`` are the middle of its line of text."""

    text: str
    x: float
    y: float


def labels(places: Places, topics: Sequence[str], letter: float = 0.011, line: float = 0.035) -> list[Label]:
    """Where each topic's name stands: at the median place of its notes, or as near to it as it overlaps no other name.

    ``topics`` names the topic of each row of ``places``, "" for none.  A name is taken to be ``letter`` times its
    characters wide and ``line`` high, in sides of the map.  Topics with more notes choose first, then the name decides;
    that is the order of the result.  Names lie within the map (in its middle where they are wider); a topic for whose
    name no place is left has no label.
    """
    rows: dict[str, list[int]] = {}
    for row, topic in enumerate(topics):
        if topic:
            rows.setdefault(topic, []).append(row)
    taken: list[tuple[float, float, float]] = []  # x, y and half the width
    found = []
    for topic in sorted(rows, key=lambda name: (-len(rows[name]), name)):
        half = min(letter * len(topic) / 2, 0.5)
        home = np.median(places[rows[topic]].astype(np.float64), axis=0)
        # Columns of a letter and rows of a third of a line around home: finer steps look no better.
        x = np.clip(home[0] + letter * np.arange(-round(1 / letter), round(1 / letter) + 1), half, 1 - half)
        y = np.clip(home[1] + line / 3 * np.arange(-round(3 / line), round(3 / line) + 1), line / 2, 1 - line / 2)
        free = np.ones((len(y), len(x)), dtype=np.bool_)
        for other_x, other_y, other_half in taken:
            free &= ~((np.abs(x - other_x) < half + other_half - 1e-9) & (np.abs(y - other_y) < line - 1e-9)[:, None])
        if free.any():
            away = np.where(free, (x - home[0]) ** 2 + ((y - home[1]) ** 2)[:, None], np.inf)
            above, beside = divmod(int(away.argmin()), len(x))
            taken.append((float(x[beside]), float(y[above]), half))
            found.append(Label(topic, *taken[-1][:2]))
    return found
