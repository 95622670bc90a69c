from __future__ import annotations

from pathlib import Path

import faiss
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.codes import CODES_THRESHOLD, Codes, compress, load_codes, save_codes
from indexer.vectors import Rows, load_vectors, nearest, save_vectors

Matrix = npt.NDArray[np.float32]


def unit(rows: npt.NDArray[np.float64]) -> Matrix:
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


def best(scores: npt.NDArray[np.float64], depth: int) -> set[int]:
    """Sorted the slow way."""
    return set(sorted(range(len(scores)), key=lambda row: -scores[row])[:depth])


@pytest.fixture(scope="module")
def clustered() -> Matrix:
    """25,000 unit vectors of 64 dimensions around 200 centres, as notes gather around themes."""
    random = np.random.default_rng(7)
    centres = random.standard_normal((200, 64))
    return unit(centres[random.integers(0, 200, 25_000)] + 0.7 * random.standard_normal((25_000, 64)))


@pytest.fixture(scope="module")
def codes(clustered: Matrix, tmp_path_factory: pytest.TempPathFactory) -> Codes:
    path = tmp_path_factory.mktemp("index") / "codes"
    save_codes(path, compress(clustered))
    return load_codes(path, len(clustered), 64)


def asked(clustered: Matrix, count: int) -> Matrix:
    """Queries close to some of the vectors."""
    return unit(clustered[:count] + 0.05 * np.random.default_rng(8).standard_normal((count, 64)))


@given(st.integers(0, 2**32), st.integers(1, 40), st.integers(1, 50))
def test_the_nearest_rows_are_those_that_sorting_all_of_them_finds(seed: int, n_rows: int, depth: int) -> None:
    random = np.random.default_rng(seed)
    vectors, query = unit(random.standard_normal((n_rows, 8))), unit(random.standard_normal(8))
    found, scores = nearest(query, vectors, depth)
    assert found.dtype == np.int64
    assert len(found) == min(depth, n_rows)
    assert scores.tolist() == pytest.approx((vectors[found].astype(np.float64) @ query).tolist(), abs=1e-6)
    assert set(found.tolist()) == best(vectors.astype(np.float64) @ query.astype(np.float64), depth)


def test_the_nearest_of_three_axes_is_the_one_that_the_query_leans_to() -> None:
    axes = np.eye(3, dtype=np.float32)
    assert nearest(np.array([0.1, 0.9, 0.4], dtype=np.float32), axes, 1)[0].tolist() == [1]
    assert sorted(nearest(np.array([0.1, 0.9, 0.4], dtype=np.float32), axes, 2)[0].tolist()) == [1, 2]


def test_a_choice_of_few_notes_is_searched_exactly_even_where_codes_are_given(clustered: Matrix, codes: Codes) -> None:
    for query in asked(clustered, 20):
        for every in (2, 7, 1000):
            choice = np.arange(len(clustered)) % every == 1
            scores = np.where(choice, clustered.astype(np.float64) @ query.astype(np.float64), -np.inf)
            assert set(nearest(query, clustered, 10, choice, codes)[0].tolist()) == best(scores, 10)


def test_an_empty_choice_finds_nothing(clustered: Matrix) -> None:
    assert nearest(clustered[0], clustered[:50], 10, np.zeros(50, dtype=np.bool_))[0].tolist() == []


def recall(found: Rows, scores: npt.NDArray[np.float64], depth: int) -> float:
    assert len(set(found.tolist())) == len(found) == depth
    return len(set(found.tolist()) & best(scores, depth)) / depth


@pytest.mark.parametrize(("depth", "least"), [(10, 0.99), (100, 0.98), (1000, 0.96)])
def test_codes_find_the_nearest_at_any_depth(clustered: Matrix, codes: Codes, depth: int, least: float) -> None:
    recalls = [
        recall(nearest(query, clustered, depth, codes=codes)[0], clustered.astype(np.float64) @ query, depth)
        for query in asked(clustered, 20)
    ]
    assert np.mean(recalls) >= least


@pytest.mark.parametrize(("far", "least"), [(False, 0.98), (True, 1)], ids=["any notes", "notes far from the query"])
def test_a_wide_filter_loses_nothing(clustered: Matrix, codes: Codes, far: bool, least: float) -> None:
    """Where a filter takes away everything near the query, codes propose nothing that it lets through."""
    recalls = []
    for query in asked(clustered, 5):
        scores = clustered.astype(np.float64) @ query
        choice = scores < np.quantile(scores, 0.85) if far else np.arange(len(clustered)) % 6 > 0
        assert choice.sum() > CODES_THRESHOLD
        found, _ = nearest(query, clustered, 100, choice, codes)
        assert choice[found].all()
        recalls.append(recall(found, np.where(choice, scores, -np.inf), 100))
    assert np.mean(recalls) >= least


def test_codes_are_the_same_bytes_with_one_thread_and_with_four(clustered: Matrix) -> None:
    made = []
    for threads in (1, 4):
        faiss.omp_set_num_threads(threads)
        made.append(compress(clustered))
    assert made[0].centres.tobytes() == made[1].centres.tobytes()
    assert made[0].codes.tobytes() == made[1].codes.tobytes()


def test_a_code_names_the_nearest_centre_of_each_pair_of_numbers(clustered: Matrix, codes: Codes) -> None:
    some = clustered[::2500].astype(np.float64).reshape(-1, 32, 1, 2)
    nearest_centres = np.square(some - codes.centres).sum(axis=3).argmin(axis=2)  # [n, 32]
    assert codes.codes[::2500].tolist() == (nearest_centres[:, ::2] + 16 * nearest_centres[:, 1::2]).tolist()
    assert codes.of(clustered[::2500]).tolist() == codes.codes[::2500].tolist()
    assert codes.of(clustered[:0]).shape == (0, 16)


def test_vectors_of_an_odd_number_of_numbers_have_codes_too() -> None:
    rows = unit(np.random.default_rng(3).standard_normal((600, 5)))
    made = compress(rows)
    assert made.centres.shape == (5, 16, 1) and made.codes.shape == (600, 3)
    scores = rows.astype(np.float64) @ rows[0]
    assert len(best(scores, 5) & set(nearest(rows[0], rows, 5, codes=made)[0].tolist())) >= 4


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


@pytest.mark.parametrize(("n_notes", "dim"), [(701, 8), (700, 16), (0, 8)])
def test_codes_that_do_not_fit_are_refused(tmp_path: Path, n_notes: int, dim: int) -> None:
    save_codes(tmp_path / "codes", compress(unit(np.random.default_rng(1).standard_normal((700, 8)))))
    with pytest.raises(ValueError, match="the arrays of the codes of vectors do not fit each other"):
        load_codes(tmp_path / "codes", n_notes, dim)
