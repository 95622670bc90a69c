from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.vectors import build_ann, load_ann, load_vectors, nearest, save_vectors

Matrix = npt.NDArray[np.float32]


def unit(rows: npt.NDArray[np.float64]) -> Matrix:
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


def best(scores: npt.NDArray[np.float64], depth: int) -> set[int]:
    """Sorted the slow way."""
    return set(sorted(range(len(scores)), key=lambda row: -scores[row])[:depth])


@pytest.fixture(scope="module")
def clustered() -> Matrix:
    """20,000 unit vectors of 64 dimensions around 200 centres, as notes gather around themes."""
    random = np.random.default_rng(7)
    centres = random.standard_normal((200, 64))
    return unit(centres[random.integers(0, 200, 20_000)] + 0.7 * random.standard_normal((20_000, 64)))


@given(st.integers(0, 2**32), st.integers(1, 40), st.integers(1, 50))
def test_the_nearest_rows_are_those_that_sorting_all_of_them_finds(seed: int, n_rows: int, depth: int) -> None:
    random = np.random.default_rng(seed)
    vectors, query = unit(random.standard_normal((n_rows, 8))), unit(random.standard_normal(8))
    found = nearest(query, vectors, depth)
    assert found.dtype == np.int64
    assert len(found) == min(depth, n_rows)
    assert set(found.tolist()) == best(vectors.astype(np.float64) @ query.astype(np.float64), depth)


def test_the_nearest_of_three_axes_is_the_one_that_the_query_leans_to() -> None:
    axes = np.eye(3, dtype=np.float32)
    assert nearest(np.array([0.1, 0.9, 0.4], dtype=np.float32), axes, 1).tolist() == [1]
    assert sorted(nearest(np.array([0.1, 0.9, 0.4], dtype=np.float32), axes, 2).tolist()) == [1, 2]


def test_a_choice_of_rows_is_searched_exactly_even_where_a_graph_is_given(clustered: Matrix, tmp_path: Path) -> None:
    build_ann(tmp_path / "ann.faiss", clustered[:1000])
    graph = load_ann(tmp_path / "ann.faiss", 1000)
    choice = np.arange(3, 1000, 7, dtype=np.int64)
    for query in clustered[1000:1020]:
        scores = clustered[choice].astype(np.float64) @ query.astype(np.float64)
        expected = {int(choice[place]) for place in best(scores, 10)}
        assert set(nearest(query, clustered[:1000], 10, choice, graph).tolist()) == expected


def test_an_empty_choice_finds_nothing(clustered: Matrix) -> None:
    assert nearest(clustered[0], clustered[:50], 10, np.zeros(0, dtype=np.int64)).tolist() == []


def test_the_graph_finds_19_of_20_of_the_ten_nearest_among_20000(clustered: Matrix, tmp_path: Path) -> None:
    build_ann(tmp_path / "ann.faiss", clustered)
    graph = load_ann(tmp_path / "ann.faiss", len(clustered))
    random = np.random.default_rng(8)
    queries = unit(clustered[:100] + 0.05 * random.standard_normal((100, 64)))
    found = 0
    for query in queries:
        rows = nearest(query, clustered, 10, ann=graph)
        assert len(set(rows.tolist())) == 10
        found += len(set(rows.tolist()) & set(np.argsort(-(clustered @ query))[:10].tolist()))
    assert found / (10 * len(queries)) >= 0.95


def test_saved_vectors_are_loaded_bit_by_bit(tmp_path: Path) -> None:
    vectors = unit(np.random.default_rng(1).standard_normal((5, 3)))
    save_vectors(tmp_path / "v.npy", np.asfortranarray(vectors))
    loaded = load_vectors(tmp_path / "v.npy", 5, 3)
    assert loaded.tobytes() == vectors.tobytes()
    assert not loaded.flags.writeable


@pytest.mark.parametrize(("n_notes", "dim"), [(4, 3), (5, 4), (3, 5), (0, 3)])
def test_vectors_of_another_shape_than_expected_are_refused(tmp_path: Path, n_notes: int, dim: int) -> None:
    save_vectors(tmp_path / "v.npy", np.ones((5, 3)))
    with pytest.raises(ValueError, match=r"v\.npy holds float32 \(5, 3\), expected float32"):
        load_vectors(tmp_path / "v.npy", n_notes, dim)


def test_vectors_of_another_type_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", np.ones((5, 3)))
    with pytest.raises(ValueError, match="holds float64"):
        load_vectors(tmp_path / "v.npy", 5, 3)


def test_a_graph_over_another_number_of_rows_is_refused(tmp_path: Path) -> None:
    build_ann(tmp_path / "ann.faiss", unit(np.random.default_rng(1).standard_normal((50, 8))))
    with pytest.raises(ValueError, match="holds 50 vectors, expected 51"):
        load_ann(tmp_path / "ann.faiss", 51)
