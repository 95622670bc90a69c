"""The map of the notes: what lies near what, what does not move, and names that can be read."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from indexer import Index, open_index
from search.atlas import Label, Places, labels, positions

Matrix = npt.NDArray[np.float32]


@pytest.fixture(scope="module")
def owner(owner_index: Path) -> Index:
    return open_index(owner_index)


def unit(rows: npt.NDArray[np.float64]) -> Matrix:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def grouped(sizes: Sequence[int], dim: int = 16, spread: float = 0.1) -> Matrix:
    """Unit vectors around the first axes, one group an axis, row after row of a group."""
    random = np.random.default_rng(3)
    centres = np.eye(dim)[np.repeat(np.arange(len(sizes)), sizes)]
    return unit(centres + spread * random.standard_normal(centres.shape))


def order(points: npt.NDArray[np.floating]) -> npt.NDArray[np.int64]:
    """Row i lists the other rows, the nearest to row i first."""
    squares = ((points[:, None].astype(np.float64) - points) ** 2).sum(axis=2)
    np.fill_diagonal(squares, -1)
    return squares.argsort(axis=1, kind="stable")[:, 1:]


def trustworthiness(vectors: Matrix, places: npt.NDArray[np.floating], k: int = 10) -> float:
    """Venna and Kaski (2001): 1 where every neighbour on the map is one of the k nearest, about 0.5 by chance."""
    n = len(vectors)
    far = 0
    for truly, shown in zip(order(vectors).tolist(), order(places).tolist(), strict=True):
        far += sum(max(truly.index(other) + 1 - k, 0) for other in shown[:k])
    return 1 - 2 * far / (n * k * (2 * n - 3 * k - 1))


def principal_plane(vectors: Matrix) -> npt.NDArray[np.floating]:
    """Plain PCA, by another route than the product's: the singular vectors of the centred matrix."""
    left, values, _ = np.linalg.svd((vectors - vectors.mean(axis=0)).astype(np.float64), full_matrices=False)
    return left[:, :2] * values[:2]


def well_formed(places: Places, n: int) -> bool:
    return (
        places.shape == (n, 2)
        and places.dtype == np.float32
        and bool(np.isfinite(places).all() and (places >= 0).all() and (places <= 1).all())
    )


@pytest.mark.parametrize("sizes", [(3, 3, 3), (20, 20, 20), (60, 20, 5)])
def test_three_groups_stay_three_groups(sizes: tuple[int, int, int]) -> None:
    places = positions(grouped(sizes))
    group = np.repeat(np.arange(3), sizes)
    assert well_formed(places, sum(sizes))
    nearest = order(places)[:, : min(sizes) - 1]
    assert (group[nearest] == group[:, None]).all()


def test_groups_stay_groups_where_landmarks_stand_for_the_notes() -> None:
    sizes = (100, 70, 30)
    places = positions(grouped(sizes), landmarks=60)
    group = np.repeat(np.arange(3), sizes)
    assert well_formed(places, sum(sizes))
    assert (group[order(places)[:, :10]] == group[:, None]).all()


def test_notes_beyond_the_landmarks_still_keep_more_neighbours_than_a_projection_can(owner: Index) -> None:
    vectors = np.array(owner.vectors)
    assert trustworthiness(vectors, positions(vectors, landmarks=150)) > 0.77  # measured 0.80; PCA: 0.69


def test_copies_of_few_notes_are_mapped_whether_or_not_landmarks_are_chosen() -> None:
    few = np.eye(3, 8, dtype=np.float32)
    for landmarks in (10, 50):
        places = positions(few[np.arange(30) % 3], landmarks=landmarks)
        assert well_formed(places, 30)
        nearest = order(places)[:, 0]
        assert (nearest % 3 == np.arange(30) % 3).all()


def test_no_note_is_an_empty_map() -> None:
    assert well_formed(positions(np.zeros((0, 4), dtype=np.float32)), 0)


def test_one_note_lies_in_the_middle() -> None:
    assert positions(unit(np.ones((1, 4)))).tolist() == [[0.5, 0.5]]


def test_two_notes_lie_at_opposite_ends() -> None:
    places = positions(np.eye(2, 5, dtype=np.float32))
    assert sorted(places[:, 0].tolist()) == [0, 1]
    assert places[:, 1].tolist() == [0.5, 0.5]


def test_the_two_of_three_notes_that_are_alike_lie_nearest() -> None:
    places = positions(unit(np.array([[1, 0, 0], [0.9, 0.1, 0], [0, 0, 1]])))
    assert well_formed(places, 3)
    assert order(places)[:, 0].tolist()[:2] == [1, 0]


@pytest.mark.parametrize("n", [2, 3, 8, 40])
def test_notes_that_are_all_equal_lie_in_the_middle(n: int) -> None:
    assert positions(np.tile(unit(np.arange(1.0, 8.0)[None]), (n, 1))).tolist() == [[0.5, 0.5]] * n


def test_equal_notes_among_others_lie_side_by_side() -> None:
    vectors = grouped((10, 10))
    vectors[3] = vectors[4] = vectors[15]
    places = positions(vectors)
    assert well_formed(places, 20)
    for row in (3, 4, 15):
        assert set(order(places)[row, :2].tolist()) == {3, 4, 15} - {row}


def test_vectors_of_one_dimension_lie_on_a_line() -> None:
    assert positions(np.array([[0.0], [0.25], [1.0]], dtype=np.float32)).tolist() == [[0, 0.5], [0.25, 0.5], [1, 0.5]]


def test_the_map_of_the_owners_notes_keeps_more_neighbours_than_a_projection_can(owner: Index) -> None:
    vectors = np.array(owner.vectors)
    mapped, projected = positions(vectors), principal_plane(vectors)
    # Measured 0.85 and 0.70; other arithmetic may settle a little elsewhere.
    assert trustworthiness(vectors, mapped) > trustworthiness(vectors, projected) + 0.1
    near = order(vectors)[:, :10]
    kept = [len(set(a) & set(b)) for a, b in zip(near.tolist(), order(mapped)[:, :10].tolist(), strict=True)]
    assert np.mean(kept) > 3.7  # of ten; measured 4.1, and 1.7 by the projection


def test_topics_draw_their_notes_together_and_cost_few_neighbours(owner: Index) -> None:
    vectors = np.array(owner.vectors)

    def of_their_topic(places: Places) -> float:
        return float((owner.topics[order(places)[:, :10]] == owner.topics[:, None]).mean())

    plain, drawn = positions(vectors), positions(vectors, owner.topics)
    assert of_their_topic(drawn) > 1.4 * of_their_topic(plain)  # measured 0.33 and 0.21
    assert trustworthiness(vectors, drawn) > trustworthiness(vectors, plain) - 0.03  # measured 0.836 and 0.847


def test_notes_without_a_topic_are_not_drawn_together() -> None:
    vectors = grouped((15, 15))
    assert positions(vectors, np.zeros(30, dtype=np.int32)).tobytes() == positions(vectors).tobytes()


def test_another_run_gives_the_same_bytes() -> None:
    script = (
        "import hashlib, numpy as np\nfrom search.atlas import positions\n"
        "vectors = np.random.default_rng(0).standard_normal((300, 32)).astype(np.float32)\n"
        "print(hashlib.sha256(positions(vectors).tobytes()).hexdigest())"
    )
    root = Path(__file__).parent.parent
    runs = [
        subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    ]
    assert len(runs[0].strip()) == 64
    assert runs[0] == runs[1]


@pytest.mark.parametrize("landmarks", [150, 1000])
@pytest.mark.parametrize("row", [0, 50, 101, 202])
def test_a_note_more_hardly_moves_the_others(owner: Index, row: int, landmarks: int) -> None:
    vectors, topics = np.array(owner.vectors), owner.topics
    before = positions(np.delete(vectors, row, axis=0), np.delete(topics, row), landmarks)
    after = np.delete(positions(vectors, topics, landmarks), row, axis=0)
    moved = np.linalg.norm(after - before, axis=1)
    assert np.median(moved) < 0.15  # of the side of the map; measured 0.06 at most over 29 notes, by chance it were 0.4


def overlap(one: Label, other: Label, letter: float, line: float) -> bool:
    wide = letter * (len(one.text) + len(other.text)) / 2
    return abs(one.x - other.x) < wide - 1e-9 and abs(one.y - other.y) < line - 1e-9


def test_a_name_stands_at_the_median_of_its_notes() -> None:
    places = np.array([[0.2, 0.3], [0.3, 0.4], [0.9, 0.5], [0.5, 0.9]], dtype=np.float32)
    (only,) = labels(places, ["a", "a", "a", ""])
    assert only.text == "a"
    assert (only.x, only.y) == pytest.approx((0.3, 0.4), abs=1e-6)


def test_names_that_would_overlap_are_pushed_apart_and_the_larger_topic_stays() -> None:
    places = np.full((5, 2), 0.5, dtype=np.float32)
    first, second = labels(places, ["small", "large", "large", "large", "small"], letter=0.02, line=0.1)
    assert (first.text, first.x, first.y) == ("large", 0.5, 0.5)
    assert second.text == "small"
    assert not overlap(first, second, 0.02, 0.1)
    assert (second.x, second.y) == pytest.approx((0.5, 0.4))  # a line away: two words of 0.1 side by side are as far


def test_names_of_the_owners_topics_lie_within_the_map_and_never_overlap(owner: Index) -> None:
    topics = [note.topic for note in owner.notes()]
    found = labels(positions(np.array(owner.vectors), owner.topics), topics)
    assert {label.text for label in found} == set(topics)
    for number, one in enumerate(found):
        assert one.x - 0.0055 * len(one.text) > -1e-9
        assert one.x + 0.0055 * len(one.text) < 1 + 1e-9
        assert not any(overlap(one, other, 0.011, 0.035) for other in found[:number])


def test_a_topic_without_room_for_its_name_has_none() -> None:
    places = np.full((3, 2), 0.5, dtype=np.float32)
    assert [label.text for label in labels(places, ["b", "a", "b"], letter=1.0, line=1.0)] == ["b"]
