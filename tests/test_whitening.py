"""What titles and descriptions teach of the vectors, against arithmetic and made collections."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from toys import ToyEncoder, record, write_jsonl

from indexer import Note, build_index, open_index
from indexer.whitening import (
    TrainingPairs,
    chosen_rows,
    encode_pairs,
    learn,
    load_pairs,
    matrix_of,
    reciprocal_ranks,
    save_pairs,
    whiten,
)


def numbered(count: int) -> list[Note]:
    return [Note(f"n{i}", f"Title {i}", f"Description {i}") for i in range(count)]


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def made_pairs(noisy_axis: bool, seed: int = 0) -> tuple[TrainingPairs, np.ndarray]:
    """60 notes in 6 dimensions; where ``noisy_axis``, the first says whether a text is a title, and how loudly."""
    chance = np.random.default_rng(seed)
    matter = chance.standard_normal((60, 6))
    manner = np.zeros((60, 6))
    manner[:, 0] = 6 * chance.random(60) if noisy_axis else 0
    small = 0.05 * chance.standard_normal((2, 60, 6))
    titles, descriptions = unit(matter + manner + small[0]), unit(matter - manner + small[1])
    return TrainingPairs(np.zeros((60, 32), np.uint8), titles, descriptions), unit(matter + 0.3 * manner)


def test_the_matrix_shrinks_an_axis_by_what_title_and_description_differ_along_it() -> None:
    # Differences of 2 along the first axis alone: S = diag(2, 0), mean eigenvalue 1, so P = diag(1/sqrt 6, 1/sqrt 4).
    titles = np.array([[1, 1], [1, -1]], dtype=np.float32)
    descriptions = np.array([[-1, 1], [-1, -1]], dtype=np.float32)
    assert matrix_of(titles, descriptions) == pytest.approx(np.diag([6**-0.5, 4**-0.5]), abs=1e-6)


def test_where_titles_equal_descriptions_nothing_turns() -> None:
    same = np.eye(3, dtype=np.float32)
    assert matrix_of(same, same) == pytest.approx(np.eye(3) / 2)
    assert whiten(same, matrix_of(same, same)) == pytest.approx(same)


def test_whitened_vectors_are_unit_vectors_one_by_one_and_together() -> None:
    matrix = np.diag([0.5, 1.0]).astype(np.float32)
    rows = np.array([[0.6, 0.8], [1, 0]], dtype=np.float32)
    expected = [0.3 / 0.73**0.5, 0.8 / 0.73**0.5]
    assert whiten(rows, matrix)[0].tolist() == pytest.approx(expected)
    assert whiten(rows[0], matrix).tolist() == pytest.approx(expected)
    assert whiten(np.zeros(2, dtype=np.float32), matrix).tolist() == [0, 0]


def test_reciprocal_ranks_count_the_notes_that_stand_before_a_title_s_own() -> None:
    titles = np.array([[1, 0], [0, 1]], dtype=np.float32)
    descriptions = np.array([[0.5, 0], [0, 0.9]], dtype=np.float32)
    rivals = np.array([[0.6, 0], [0.7, 0], [0.2, 0.95]], dtype=np.float32)
    own = np.array([[True, False, False], [False, False, True]])
    # The first is beaten by the second rival alone (the first rival is its own note), the second by none.
    assert reciprocal_ranks(titles, descriptions, rivals, own) == [0.5, 1.0]


def test_it_helps_where_titles_differ_from_descriptions_in_manner_and_not_elsewhere() -> None:
    pairs, encoded = made_pairs(noisy_axis=True)
    facts, matrix = learn(pairs, encoded, np.arange(60))
    assert facts.helps and facts.pairs == 60 and facts.whitened > facts.plain + 0.05
    assert abs(matrix[0, 0]) < abs(matrix[1, 1])
    alike, encoded = made_pairs(noisy_axis=False)
    facts, _ = learn(alike, encoded, np.arange(60))
    assert not facts.helps and facts.plain == 1.0


def test_notes_are_chosen_by_the_hash_of_their_texts_whatever_else_is_there() -> None:
    notes = numbered(120)
    rows, keys = chosen_rows(notes)
    assert len(rows) == 50
    assert keys == sorted(sha256(f"{n.title}\0{n.description}".encode()).digest() for n in notes)[:50]
    assert [sha256(f"{notes[r].title}\0{notes[r].description}".encode()).digest() for r in rows] == keys
    _, fewer = chosen_rows(notes[1:])
    assert len(set(keys) & set(fewer)) >= 49
    assert len(chosen_rows(numbered(1600))[0]) == 200  # an eighth
    assert len(chosen_rows(numbered(9000))[0]) == 1024


def test_notes_without_a_title_or_a_description_teach_nothing_and_too_few_pairs_neither() -> None:
    assert len(chosen_rows(numbered(49))[0]) == 0
    assert len(chosen_rows(numbered(50))[0]) == 50
    assert len(chosen_rows([*numbered(49), Note("x", "Title", " "), Note("y", " ", "Description")])[0]) == 0
    assert len(chosen_rows([*numbered(49), *numbered(49)])[0]) == 0  # equal texts are one pair


def test_known_pairs_are_taken_over_and_new_ones_encoded() -> None:
    encoder = ToyEncoder()
    notes = [Note("a", "reward", "hacking"), Note("b", "policy", "critic")]
    old = encode_pairs(notes, [b"1" * 32, b"2" * 32], encoder.encode_documents, None)
    assert encoder.encoded == 4
    more = [notes[1], Note("c", "memory", "search")]
    new = encode_pairs(more, [b"2" * 32, b"3" * 32], encoder.encode_documents, old)
    assert encoder.encoded == 6
    assert (new.titles == encoder.encode_documents(["policy", "memory"])).all()
    assert (new.descriptions == encoder.encode_documents(["critic", "search"])).all()


def test_saved_pairs_come_back_and_others_are_refused(tmp_path: Path) -> None:
    pairs, _ = made_pairs(noisy_axis=True)
    save_pairs(tmp_path / "training", pairs)
    loaded = load_pairs(tmp_path / "training", 60, 6)
    assert (loaded.titles == pairs.titles).all() and (loaded.descriptions == pairs.descriptions).all()
    for n_pairs, dim in ((59, 6), (60, 7)):
        with pytest.raises(ValueError, match=r"fit|expected"):
            load_pairs(tmp_path / "training", n_pairs, dim)


SUBJECTS = ("reward hacking", "policy critic", "memory search", "proof model", "reward model", "critic search")


def collection(count: int) -> list[dict[str, object]]:
    return [
        record(f"n{i}", f"{SUBJECTS[i % 6]} {'proof ' * (i % 4)}{i}", f"{SUBJECTS[i % 6]} {'memory ' * (i % 5)}{i}")
        for i in range(count)
    ]


def test_an_index_changed_note_by_note_equals_a_rebuild_and_encodes_only_what_changed(tmp_path: Path) -> None:
    encoder = ToyEncoder()
    source = write_jsonl(tmp_path / "notes.jsonl", collection(50))
    build_index([source], tmp_path / "index", encoder=encoder)
    assert encoder.encoded == 50 + 2 * 50
    notes = collection(50)
    notes[7] = record("n7", "policy proof", "model of a policy")
    write_jsonl(source, notes)
    build_index([source], tmp_path / "index", encoder=encoder)
    assert encoder.encoded == 150 + 1 + 2
    build_index([source], tmp_path / "other", encoder=ToyEncoder())
    incremental, rebuilt = open_index(tmp_path / "index"), open_index(tmp_path / "other")
    assert incremental.manifest.whitening is not None and incremental.manifest.whitening.pairs == 50
    assert {name: entry["sha256"] for name, entry in incremental.manifest.files.items()} == {
        name: entry["sha256"] for name, entry in rebuilt.manifest.files.items()
    }


def test_the_owner_s_notes_are_whitened_and_queries_with_them(owner_index: Path) -> None:
    index = open_index(owner_index)
    learned = index.manifest.whitening
    assert learned is not None and learned.helps and learned.pairs == 50
    assert index.whitening is not None
    assert np.allclose(np.linalg.norm(index.vectors, axis=1), 1, atol=1e-5)
    assert index.vectors[3] == pytest.approx(index.whitened(np.array(index.encoded[3])), abs=1e-6)
    assert not np.allclose(index.vectors[3], index.encoded[3], atol=1e-2)
