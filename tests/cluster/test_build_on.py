from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toys import NOTES, ToyEncoder, record, write_jsonl

from indexer import Index, open_index
from indexer.build import BuildReport
from indexer.cluster.address import Address
from indexer.cluster.book import Published, announce, newest, published, table_bytes, withdraw
from indexer.cluster.build import build_on
from indexer.cluster.engine import Engine
from indexer.cluster.remote import open_remote
from indexer.cluster.shelf import STORE_FIELDS, held_number, payloads_of, unpack_said, unpack_tokens
from indexer.errors import ClusterError, IndexLockedError
from indexer.home import Hubness
from indexer.vectors import nearest
from search import Searcher

DATA = Path(__file__).parent.parent.parent / "data"
# Without descriptions, so that the notes teach nothing of their vectors: else one note more moves all vectors a little.
MANY = [
    record(f"n{number:03}", f"Model {number} of reward {number % 7} policy {number % 5}", "") for number in range(120)
]


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A cache that no other test uses."""
    monkeypatch.setenv("KINDRED_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def build(address: Address, folder: Path, notes: Sequence[dict[str, Any]], **options: Any) -> BuildReport:
    """The notes, written to a file and built on an engine by the toy encoder."""
    return build_on([write_jsonl(folder / "notes.jsonl", notes)], address, encoder=ToyEncoder(), **options)


def current(address: Address) -> tuple[Engine, Published]:
    engine = Engine(address)
    generation = newest(engine, address.name)
    assert generation is not None
    return engine, generation


def names_seen(address: Address, generation: Published) -> list[str]:
    """The notes' ids that a reader of ``generation`` sees, by their places."""
    rows = Engine(address).fetch(generation.shelf, generation.living, ["name", "place"])
    return [row["name"] for row in sorted(rows, key=lambda row: float(row["place"]))]


def table(engine: Engine, generation: Published, name: str) -> bytes:
    return table_bytes(engine, engine.address.name, generation.tables[name].sha256)


def array(engine: Engine, generation: Published, name: str) -> np.ndarray[Any, Any]:
    found: np.ndarray[Any, Any] = np.load(BytesIO(table(engine, generation, name)), allow_pickle=False)
    return found


def query(engine: Engine, generation: Published, index: Index, terms: Sequence[str]) -> dict[int, float]:
    """A query by words as a reader would ask it: dimension -> idf, from the tables alone."""
    text = array(engine, generation, "lexicon/terms.npy").tobytes()
    starts = array(engine, generation, "lexicon/term_starts.npy")
    words = [text[begin:end].decode() for begin, end in pairwise(starts)]
    dims, counts = (array(engine, generation, f"lexicon/{name}.npy") for name in ("dims", "frequency"))
    numbers = [words.index(term) for term in terms]
    n = generation.n_notes
    return {int(dims[at]): float(np.log(1 + (n - counts[at] + 0.5) / (counts[at] + 0.5))) for at in numbers}


def test_a_build_gives_the_engine_what_the_folder_holds(
    engine_address: Address, tmp_path: Path, owner_index: Path
) -> None:
    shutil.copytree(owner_index, engine_address.workshop)  # so that no text is encoded again
    report = build_on([DATA], engine_address)
    assert (report.published, report.n_notes) == (True, 203)
    engine, generation = current(engine_address)
    index, given = open_index(engine_address.workshop), open_index(owner_index)
    assert index.manifest.generation == generation.generation
    assert names_seen(engine_address, generation) == [note.id for note in given.notes()]

    terms = ["reward", "model", "polici"]
    numbers = {number: 1.0 for term in terms if (number := given.impacts.find(term)) is not None}
    assert len(numbers) == 3
    scores = given.impacts.scores(numbers)
    (hits,) = engine.search(
        generation.shelf, "words", [query(engine, generation, index, terms)], 1000, generation.living
    )
    assert len(hits) == np.count_nonzero(scores)
    np.testing.assert_allclose([score for _, score, _ in hits], [scores[row] for row, _, _ in hits], atol=1e-5)

    (hits,) = engine.search(generation.shelf, "vector", [given.vectors[5].tolist()], 50, generation.living)
    rows, cosines = nearest(given.vectors[5], given.vectors, 50)
    assert {row for row, _, _ in hits} == set(rows.tolist())
    expected = dict(zip(rows.tolist(), cosines.tolist(), strict=True))
    np.testing.assert_allclose([score for _, score, _ in hits], [expected[row] for row, _, _ in hits], atol=1e-5)

    assert given.late is not None
    stored = payloads_of(engine.fetch(generation.store, "row in [0, 202]", ["row", "kind", "part", "parts", "text"]))
    assert {kind for _, kind in stored} == {"note", "said", "late"}
    assert stored[202, "note"] == given.lines(202, 203)[0]
    np.testing.assert_array_equal(unpack_said(stored[202, "said"])[2].sum(), given.impacts.note(202)[2].sum())
    tokens = unpack_tokens(stored[0, "late"], given.manifest.encoder.dim)
    np.testing.assert_array_equal(tokens.codes, given.late.states(0).codes)

    for name in generation.tables:
        if name.split("/")[0] not in ("lexicon", "grams", "fields", "late") and index.path(name).exists():
            assert table(engine, generation, name) == index.path(name).read_bytes()
    assert {"manifest.json", "centroid.npy", "words/letters.npy", "late/mean.npy"} <= generation.tables.keys()
    assert array(engine, generation, "samples64.npy").tolist()[::63] == [0, 202]
    np.testing.assert_array_equal(array(engine, generation, "lexicon/frequency.npy"), np.diff(given.impacts.starts))
    again = build_on([DATA], engine_address)
    assert (again.published, newest(engine, engine_address.name)) == (False, generation)


def test_a_changed_note_is_sent_alone_and_the_generation_before_stays_as_it_was(
    engine_address: Address, tmp_path: Path
) -> None:
    build(engine_address, tmp_path, MANY)
    engine, first = current(engine_address)
    changed = [dict(note) for note in MANY]
    changed[3]["title"] = "Search and memory of zebras"
    changed[50] = record("new", "Critic of zebras", "")  # where another stood: no other line moves
    told: list[tuple[str, int, int]] = []
    report = build(engine_address, tmp_path, changed, progress=lambda *step: told.append(step))
    assert report.published
    _, second = current(engine_address)
    assert (second.number, second.shelf, second.n_notes) == (2, first.shelf, 120)
    assert max(n for step, _, n in told if step == "sending notes") == 2  # the changed one and the new one
    assert names_seen(engine_address, first) == [note["id"] for note in MANY]
    assert names_seen(engine_address, second) == [note["id"] for note in changed]
    rows = engine.fetch(second.shelf, f"{second.living} and row >= 120", ["row", "name", "since", "place"])
    assert sorted((row["row"], row["name"], row["since"], row["place"]) for row in rows) == [
        (120, "n003", 2, 3.0),
        (121, "new", 2, 50.0),
    ]
    # what the engine answers is what a new index of the same notes would, but for the averages of the first load
    index = open_index(engine_address.workshop)
    (hits,) = engine.search(
        second.shelf, "words", [query(engine, second, index, ["zebra"])], 10, second.living, fields=["name"]
    )
    assert [entity["name"] for _, _, entity in hits] == ["new", "n003"]  # whose title is longer
    number = index.impacts.find("zebra")
    assert number is not None
    scores = index.impacts.scores({number: 1.0})
    np.testing.assert_allclose([score for _, score, _ in hits], [scores[50], scores[3]], rtol=0.02)
    held = f"array_contains(held, {held_number('title', 'zebra')})"
    assert engine.count(second.shelf, f"{second.living} and {held}") == 2
    assert engine.count(first.shelf, f"{first.living} and {held}") == 0


def test_many_changes_go_to_a_new_shelf_and_only_two_generations_are_kept(
    engine_address: Address, tmp_path: Path
) -> None:
    build(engine_address, tmp_path, MANY)
    engine, first = current(engine_address)
    for version in (1, 2):
        build(engine_address, tmp_path, [{**note, "title": f"{note['title']} again {version}"} for note in MANY])
    _, third = current(engine_address)
    assert third.number == 3
    kept = published(engine, engine_address.name)
    assert [generation.number for generation in kept] == [2, 3]
    ours = {name for name in engine.collections() if name.startswith(f"{engine_address.name}_")}
    assert ours - {f"{engine_address.name}_current"} == {
        name for generation in kept for name in (generation.shelf, generation.store)
    }
    assert len({first.shelf, *(generation.shelf for generation in kept)}) == 3


def test_a_collection_that_grows_step_by_step_is_ranked_as_in_its_folder(
    engine_address: Address, tmp_path: Path
) -> None:
    """Lengths are compared with the averages of a shelf's first load, which therefore may not grow old."""
    short = [record(f"s{n:02}", f"Model {n} of reward {n % 7}", "") for n in range(20)]
    long = [
        record(f"l{n:02}", f"Model {n} of " + "policy critic memory " * (n % 5) + "reward", "search " * n)
        for n in range(40)
    ]
    for size in range(0, 41, 8):
        build(engine_address, tmp_path, [*short, *long[:size]])
    here, there = open_index(engine_address.workshop), open_remote(engine_address)
    for query in ("reward", "model policy", "search memory reward"):
        both = [[hit.note.id for hit in Searcher(home).search(query, 10, "lexical")] for home in (here, there)]
        assert both[0] == both[1]


def test_few_changes_go_to_the_same_shelf_until_they_are_many_together(engine_address: Address, tmp_path: Path) -> None:
    notes = [record(f"n{row:02}", f"Model {row} of reward", "") for row in range(12)]
    shelves = []
    for edition in range(5):
        notes[edition] = record(f"n{edition:02}", f"Critic {edition} of reward", "")
        build(engine_address, tmp_path, notes)
        shelves.append(current(engine_address)[1].shelf)
    # a quarter of 12 notes changed since the first load, and then one more
    assert len(set(shelves[:4])) == 1
    assert shelves[4] != shelves[3]


def test_a_collection_that_has_grown_too_large_for_hubs_or_shrunk_again_is_sent_as_a_whole(
    engine_address: Address, tmp_path: Path
) -> None:
    def some(index: Index, progress: Callable[[str, int, int], None]) -> Hubness:
        return Hubness(None if len(index) > 20 else np.full(len(index), 0.5, dtype=np.float32), 0.5)

    notes = [record(f"n{row:02}", f"Model {row} of reward", "") for row in range(21)]
    for size, hubs in ((21, {0.0}), (20, {0.5}), (21, {0.0})):
        build(engine_address, tmp_path, notes[:size], hubs=some)
        engine, generation = current(engine_address)
        rows = engine.fetch(generation.shelf, generation.living, ["hub"])
        assert {row["hub"] for row in rows} == hubs


def test_rows_that_ended_are_removed_when_nobody_needs_them(engine_address: Address, tmp_path: Path) -> None:
    for version in range(3):
        build(engine_address, tmp_path, [*MANY, record("last", f"Model {version}", "proof")])
    engine, third = current(engine_address)
    assert engine.count(third.shelf, "row >= 0") == 122  # of the second generation one row ended with the third
    assert engine.count(third.store, "kind == 'note' and part == 0") == 122


def test_a_rebuild_sends_everything_again(engine_address: Address, tmp_path: Path) -> None:
    build(engine_address, tmp_path, NOTES)
    _, first = current(engine_address)
    assert build(engine_address, tmp_path, NOTES, rebuild=True).published
    _, second = current(engine_address)
    assert second.shelf != first.shelf
    assert names_seen(engine_address, second) == names_seen(engine_address, first)


@pytest.mark.parametrize("loss", ["shelf", "store", "table"])
def test_what_the_engine_lost_is_sent_again(engine_address: Address, tmp_path: Path, loss: str) -> None:
    build(engine_address, tmp_path, NOTES)
    engine, first = current(engine_address)
    if loss == "table":
        engine.delete(engine_address.name, "key like 't:%'")
    else:
        engine.drop(getattr(first, loss))
    assert build(engine_address, tmp_path, NOTES).published
    _, second = current(engine_address)
    assert names_seen(engine_address, second) == [note["id"] for note in NOTES]
    assert json.loads(table(engine, second, "topics.json"))
    assert not build(engine_address, tmp_path, NOTES).published


class Stopped(Exception):
    """Told by a progress that ends a build."""


def stop_at_the_tables(phase: str, done: int, total: int) -> None:
    if phase == "sending tables":
        raise Stopped


@pytest.mark.parametrize("kind", ["note", "said"])
def test_what_an_engine_lost_of_a_stopped_load_is_sent_again(
    engine_address: Address, tmp_path: Path, kind: str
) -> None:
    notes = [record(f"n{row:03}", f"Model {row} of reward", "") for row in range(510)]
    with pytest.raises(Stopped):
        build(engine_address, tmp_path, notes, progress=stop_at_the_tables)
    engine = Engine(engine_address)
    (store,) = [name for name in engine.collections() if re.fullmatch(f"{engine_address.name}_.{{8}}_p", name)]
    engine.delete(store, f"row == 17 and kind == '{kind}'")
    assert build(engine_address, tmp_path, notes).published
    assert engine.count(store, f"kind == '{kind}'") == 510


def test_what_an_engine_kept_otherwise_is_not_published_and_sent_again_by_the_next_build(
    engine_address: Address, tmp_path: Path
) -> None:
    notes = [record(f"n{row:03}", f"Model {row} of reward", "") for row in range(500)]
    with pytest.raises(Stopped):
        build(engine_address, tmp_path, notes, progress=stop_at_the_tables)
    engine = Engine(engine_address)
    (store,) = [name for name in engine.collections() if re.fullmatch(f"{engine_address.name}_.{{8}}_p", name)]
    (row,) = engine.fetch(store, "row == 0 and kind == 'note'", [field.name for field in STORE_FIELDS])
    (other,) = engine.fetch(store, "row == 1 and kind == 'note'", ["text"])
    engine.upsert(store, [{**row, "text": other["text"]}])
    with pytest.raises(ClusterError, match=r"did not keep what it was sent .*nothing was published"):
        build(engine_address, tmp_path, notes)
    assert newest(engine, engine_address.name) is None
    assert build(engine_address, tmp_path, notes).published
    engine, generation = current(engine_address)
    assert names_seen(engine_address, generation) == [note["id"] for note in notes]


def test_another_machine_goes_on_with_the_index(
    engine_address: Address, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(engine_address, tmp_path, MANY)
    monkeypatch.setenv("KINDRED_CACHE", str(tmp_path / "another"))
    build(engine_address, tmp_path, [*MANY, record("last", "Model of models", "proof")])
    _, second = current(engine_address)
    assert (second.number, second.n_notes) == (2, 121)
    assert names_seen(engine_address, second)[-1] == "last"


def test_hubs_are_asked_for_and_kept(engine_address: Address, tmp_path: Path) -> None:
    def hubs(index: Index, progress: Callable[[str, int, int], None]) -> Hubness:
        return Hubness(np.arange(len(index), dtype=np.float32) / 8, 0.375)

    build(engine_address, tmp_path, NOTES, hubs=hubs)
    engine, generation = current(engine_address)
    assert (generation.facts["hubs"], generation.facts["usual hub"]) == (True, 0.375)
    rows = engine.fetch(generation.shelf, generation.living, ["row", "hub"])
    assert {row["row"]: row["hub"] for row in rows} == {number: number / 8 for number in range(len(NOTES))}


def test_a_collection_of_somebody_else_that_is_called_like_the_alias_does_not_stop_a_build(
    engine_address: Address, tmp_path: Path
) -> None:
    engine, other = Engine(engine_address), f"{engine_address.name}_current"
    engine.create(other, STORE_FIELDS)
    assert build(engine_address, tmp_path, NOTES).published
    assert build(engine_address, tmp_path, NOTES[1:]).published
    assert engine.count(other) == 0
    engine.drop(other)


def test_every_note_that_is_too_long_for_a_list_is_looked_at(
    engine_address: Address, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("indexer.cluster.opened.DEEPEST", 2)  # rows that an engine gives at most
    text = " ".join(f"entry{number:05}" for number in range(4_200))
    long = [record(f"long{row}", f"Model {row}", f"{text} model{row}") for row in range(5)]
    build(engine_address, tmp_path, [*NOTES, *long])
    reader = open_remote(engine_address)
    assert list(reader.long_rows()) == [7, 8, 9, 10, 11]
    assert len(Searcher(reader).search('"entry04198 entry04199"', 10, "lexical")) == 5


def test_one_builder_at_a_time(engine_address: Address, tmp_path: Path) -> None:
    def meddle(*step: object) -> None:
        with pytest.raises(IndexLockedError, match=f"another kindred is writing the index in .*{engine_address.name}"):
            build_on([tmp_path / "notes.jsonl"], engine_address, encoder=ToyEncoder())
        met.append(step)

    met: list[object] = []
    build(engine_address, tmp_path, NOTES, progress=meddle)
    assert met


@pytest.mark.parametrize("more", [MANY, MANY[:11]])  # a new shelf, and a note more on the one that is there
def test_a_builder_that_slept_does_no_harm_to_what_another_published_meanwhile(
    engine_address: Address, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: Sequence[dict[str, Any]]
) -> None:
    build(engine_address, tmp_path, MANY[:10])
    engine = Engine(engine_address)

    def sleep(index: Index, progress: Callable[[str, int, int], None]) -> Hubness:
        engine.delete(engine_address.name, "key like 'l:%'")  # as another builder does that finds no beat
        with monkeypatch.context() as another:
            another.setenv("KINDRED_CACHE", str(tmp_path / "another"))
            build(engine_address, tmp_path / "its", MANY[:9])
        return Hubness(None, 0.0)

    with pytest.raises(IndexLockedError):
        build(engine_address, tmp_path, more, hubs=sleep)
    _, second = current(engine_address)
    assert names_seen(engine_address, second) == [note["id"] for note in MANY[:9]]


def test_a_generation_that_is_rolled_back_is_built_upon_again(engine_address: Address, tmp_path: Path) -> None:
    build(engine_address, tmp_path, MANY)
    build(engine_address, tmp_path, [*MANY, record("bad", "Model of errors", "")])
    engine, second = current(engine_address)
    reader = open_remote(engine_address)
    (bad,) = reader.matching(f"named == {held_number('id', 'bad')}", 1)
    withdraw(engine, engine_address.name, [second.number])
    _, first = current(engine_address)
    assert names_seen(engine_address, first) == [note["id"] for note in MANY]
    build(engine_address, tmp_path, [*MANY[:-1], record("good", "Model of proof", "")])
    _, third = current(engine_address)
    assert third.shelf == first.shelf
    # who reads what was rolled back takes nothing else for it
    assert third.number == 3
    assert reader.row_of("good") is None
    assert open_remote(engine_address).row_of("good") == bad + 1
    assert names_seen(engine_address, third) == [*(note["id"] for note in MANY[:-1]), "good"]
    assert names_seen(engine_address, first) == [note["id"] for note in MANY]


def test_a_reader_notices_that_an_index_was_removed_and_built_anew(
    engine_address: Address, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("indexer.cluster.standing._LOOK", 0.0)
    build(engine_address, tmp_path, NOTES)
    reader = open_remote(engine_address)
    assert reader.is_current()
    engine = Engine(engine_address)
    for name in engine.collections():
        if name == engine_address.name or engine_address.owns(name):
            engine.drop(name)
    build(engine_address, tmp_path, NOTES[1:])
    assert not reader.is_current()
    assert reader.newest().published.number == reader.published.number == 1
    assert reader.newest().row_of(NOTES[0]["id"]) is None


def test_after_an_engine_lost_everything_and_after_a_roll_back_few_changes_are_sent_alone_again(
    engine_address: Address, tmp_path: Path
) -> None:
    def add(more: int) -> str:
        build(engine_address, tmp_path, [*MANY, *({**note, "id": f"more-{note['id']}"} for note in MANY[:more])])
        return current(engine_address)[1].shelf

    for more in range(4):
        shelf = add(more)
    engine = Engine(engine_address)
    for name in engine.collections():
        if name == engine_address.name or engine_address.owns(name):
            engine.drop(name)
    again = add(4)
    assert again != shelf
    assert {add(5), add(6)} == {again}
    for more in (7, 8):
        withdraw(engine, engine_address.name, [current(engine_address)[1].number])
        assert add(more) == again


def test_a_rebuild_takes_the_place_of_an_index_of_another_format(engine_address: Address, tmp_path: Path) -> None:
    build(engine_address, tmp_path, NOTES)
    engine, generation = current(engine_address)
    announce(engine, engine_address.name, replace(generation, number=7, format=99))
    with pytest.raises(ClusterError, match="format 99"):
        build(engine_address, tmp_path, NOTES)
    assert build(engine_address, tmp_path, NOTES, rebuild=True).published
    _, after = current(engine_address)
    assert (after.number, after.n_notes) == (8, len(NOTES))
    assert [one.number for one in published(engine, engine_address.name)] == [1, 8]
