from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from indexer import Index, open_index
from indexer.cluster.entities import Measures, averages_of, digests_of, entities
from indexer.cluster.shelf import held_number, payloads_of, unpack_said, unpack_tokens


def measures_of(index: Index) -> Measures:
    averages, run_averages = averages_of(index)
    dims = {word: 10 + number for number, word in enumerate(index.impacts.vocabulary.words())}
    runs = {word: 5 + number for number, word in enumerate(index.grams.vocabulary.words())} if index.grams else {}
    topics = sorted({note.topic for note in index.notes() if note.topic})
    return Measures(averages, run_averages, dims, runs, {topic: 1 + number for number, topic in enumerate(topics)})


def test_saturations_times_idf_are_the_impacts_of_the_folder(owner_index: Path) -> None:
    index = open_index(owner_index)
    n = len(index)
    rows = np.array([202, 0, 7, 100])
    shelf, store = entities(index, measures_of(index), rows, [9, 8, 7, 6], [0.5, 1.5, 2.5, 3.5], 4, None)
    packed = payloads_of(store)
    for place, row in enumerate(rows.tolist()):
        for impacts, field, first in ((index.impacts, "words", 10), (index.grams, "runs", 5)):
            assert impacts is not None
            numbers, values, counts = impacts.note(row)
            df = np.diff(impacts.starts)[numbers]
            idf = np.log(1 + (n - df + 0.5) / (df + 0.5))
            entity = shelf[place][field]
            assert sorted(entity) == (first + numbers).tolist()
            np.testing.assert_allclose([entity[first + number] for number in numbers.tolist()] * idf, values, rtol=2e-6)
            if field == "words":
                dims, saturated, said = unpack_said(packed[[9, 8, 7, 6][place], "said"])
                np.testing.assert_array_equal(dims, 10 + numbers)
                np.testing.assert_array_equal(saturated, np.float32([entity[dim] for dim in dims.tolist()]))
                np.testing.assert_array_equal(said, counts)


def test_a_row_is_the_same_whatever_stands_beside_it(owner_index: Path) -> None:
    index = open_index(owner_index)
    measures = measures_of(index)
    together, _ = entities(index, measures, np.arange(50), list(range(50)), [0.0] * 50, 1, None)
    alone, _ = entities(index, measures, np.array([20]), [20], [0.0], 1, None)
    for name, value in alone[0].items():
        np.testing.assert_equal(together[20][name], value)


def test_a_row_tells_what_its_note_holds(toy_index: Index) -> None:
    hubs = np.arange(len(toy_index), dtype=np.float32) / 4
    shelf, store = entities(toy_index, measures_of(toy_index), np.array([0]), [3], [0.0], 7, hubs)
    note = toy_index.note(0)
    expected = set()
    term = toy_index.manifest.analyser.term
    for field in ("title", "description", "topic"):
        words = [term(word) for word in re.findall(r"[A-Za-z0-9]+", getattr(note, field))]
        expected |= {held_number(field, word) for word in words}
        expected |= {held_number(field, *pair) for pair in pairwise(words)}
    expected |= {held_number("tag", tag) for tag in note.tags}
    entity = shelf[0]
    assert entity["held"] == sorted(expected)
    assert (entity["row"], entity["since"], entity["until"], entity["name"]) == (3, 7, 2**62, note.id)
    assert payloads_of(store)[3, "note"] == toy_index.lines(0, 1)[0]
    second, _ = entities(toy_index, measures_of(toy_index), np.array([2]), [3], [0.0], 7, hubs)
    assert second[0]["hub"] == 0.5


def test_token_vectors_go_to_the_store_as_the_folder_has_them(owner_index: Path) -> None:
    index = open_index(owner_index)
    assert index.late is not None
    _, store = entities(index, measures_of(index), np.array([5]), [1], [0.0], 1, None)
    found, given = unpack_tokens(payloads_of(store)[1, "late"], index.manifest.encoder.dim), index.late.states(5)
    for name in ("codes", "scales", "pieces"):
        np.testing.assert_array_equal(getattr(found, name), getattr(given, name))


def test_notes_that_differ_have_other_digests(toy_index: Index) -> None:
    digests = [bytes(digest) for digest in digests_of(toy_index)]
    assert len(set(digests)) == len(toy_index)
    assert digests == [bytes(digest) for digest in digests_of(open_index(toy_index.folder))]


@pytest.mark.parametrize("field", ["title", "description", "topic"])
def test_averages_are_the_mean_numbers_of_terms_that_rank(toy_index: Index, field: str) -> None:
    analyser = toy_index.manifest.analyser
    lengths = [len(analyser.terms(getattr(note, field))) for note in toy_index.notes()]
    averages, _ = averages_of(toy_index)
    assert averages[field] == pytest.approx(sum(lengths) / len(lengths) or 1.0)
