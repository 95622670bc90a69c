"""A large index after a few notes changed: held against reading and making everything anew."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from hashlib import sha512
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toys import ToyEncoder

from indexer import EncoderInfo, Note, Vectors, build_index, open_index
from indexer.artefacts import renew_words, write_words
from indexer.impacts import DEFAULT_BM25
from indexer.partial import RENEWAL_THRESHOLD, drift_of, write_renewed
from indexer.publish import write_notes
from indexer.renewal import Renewed, compared, origins_of, renew
from indexer.soundness import problems
from indexer.sources import read_notes
from indexer.vectors import nearest
from search import Searcher

WORDS = ["reward", "rewards", "policy", "hacking", "the", "of", "Café", "再帰", "C++", *(f"w{n}" for n in range(30))]


def made_record(dice: random.Random, number: int) -> dict[str, Any]:
    """A note of random words; every third has an id of its own, the others that of a title that many share."""
    record: dict[str, Any] = {
        "title": dice.choice(["Reward", "Reward 2", "Policy", " ".join(dice.choices(WORDS, k=3)) + " x"]),
        "text": " ".join(dice.choices(WORDS, k=dice.randint(1, 20))) + f" n{number}",
        "topic": dice.choice(["", "A", "B", f"T{number}"]),
        "tags": dice.sample(["rl", "w1", "Formal Proof"], dice.randint(0, 2)),
    }
    return record | {"id": f"own-{number}"} if number % 3 == 0 else record


def write_lines(path: Path, records: list[dict[str, Any]], blank: int = 0) -> Path:
    lines = [json.dumps(record, ensure_ascii=False) for record in records]
    path.write_text("\n" * blank + "".join(f"{line}\n" for line in lines), "utf-8")
    return path


class Scattered:
    """An encoder of 16 dimensions in which every text has a direction of its own."""

    info = EncoderInfo("scattered", "custom", "scattered-1", 16)

    def encode_documents(self, texts: Sequence[str], progress: Callable[[int], None] | None = None) -> Vectors:
        """Unit vectors that the hashes of the texts lead to."""
        numbers = np.array([np.frombuffer(sha512(text.encode()).digest(), dtype="<u4") for text in texts])
        vectors = numbers.reshape(-1, 16).astype(np.float32) - 2**31
        unit: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return unit

    def encode_query(self, text: str) -> Vectors:
        """The same for one text."""
        vector: Vectors = self.encode_documents([text])[0]
        return vector


class Shelf:
    """An index of made notes, and the file that it was built from."""

    def __init__(self, root: Path) -> None:
        dice = random.Random(1)  # noqa: S311 - made notes, no secrets
        self.records = [made_record(dice, number) for number in range(60)]
        self.source = write_lines(root / "notes.jsonl", self.records)
        build_index([self.source], root / "index", encoder=ToyEncoder())
        self.index = open_index(root / "index")
        self.origins = origins_of([self.source], [], read_notes([self.source]))


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    return Shelf(tmp_path_factory.mktemp("shelf"))


def same_files(one: Path, other: Path) -> None:
    names = sorted(path.relative_to(one) for path in one.rglob("*.*"))
    assert names == sorted(path.relative_to(other) for path in other.rglob("*.*"))
    for name in names:
        assert (one / name).read_bytes() == (other / name).read_bytes(), name


def renewed_or_none(shelf: Shelf, source: Path) -> Renewed | None:
    assert shelf.origins is not None
    found = renew([source], [], shelf.index, shelf.origins)
    if found is None:
        return None
    collection, origins = found
    everything = read_notes([source])
    assert list(collection.notes) == everything.notes
    assert collection.sources == everything.sources
    expected = origins_of([source], [], everything)
    assert expected is not None
    np.testing.assert_array_equal(origins, expected)
    assert isinstance(collection.notes, Renewed)
    return collection.notes


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_notes_that_changed_are_read_and_indexed_as_if_all_were(shelf: Shelf, seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311 - made notes, no secrets
    records = list(shelf.records)
    for number in range(dice.randint(0, 4)):
        at = dice.randrange(len(records))
        what = dice.choice(["drop", "add", "change", "retitle"])
        if what == "drop":
            del records[at]
        elif what == "add":
            records.insert(at, made_record(dice, 100 + number))
        else:
            changed = made_record(dice, 200 + number)
            records[at] = records[at] | ({"text": changed["text"]} if what == "change" else changed)
    folder = shelf.source.parent / f"s{seed}"
    folder.mkdir(exist_ok=True)
    source = write_lines(folder / "notes.jsonl", records, blank=dice.choice([0, 0, 2]))
    notes = renewed_or_none(shelf, source)
    if notes is None:  # an id that others depend on; what is read then is everything
        return
    one, other = folder / "renewed", folder / "anew"
    for part in (one, other):
        part.mkdir(exist_ok=True)
    if (one / "postings").exists():
        return  # hypothesis tries a seed twice
    write_renewed(one, notes)
    write_notes(other, list(notes))
    analyser, silent = shelf.index.manifest.analyser, lambda *_: None
    renew_words(one, notes, analyser, DEFAULT_BM25, ["zebra", "reward"], silent)
    write_words(other, list(notes), analyser, DEFAULT_BM25, ["zebra", "reward"], False, silent)
    for path in (other / "acronyms").iterdir():
        path.unlink()  # taken over, not made anew
    for path in (one / "acronyms").iterdir():
        path.unlink()
    same_files(one, other)


def edited(shelf: Shelf, folder: Path, change: Any) -> Renewed | None:
    records = [dict(record) for record in shelf.records]
    change(records)
    return renewed_or_none(shelf, write_lines(folder / "notes.jsonl", records))


def test_a_changed_text_is_the_only_line_that_is_read(shelf: Shelf, tmp_path: Path) -> None:
    notes = edited(shelf, tmp_path, lambda records: records[30].update(text="Something else."))
    assert notes is not None
    assert list(notes.fresh) == [30]
    assert (notes.fresh[30].id, notes.fresh[30].description) == ("own-30", "Something else.")
    assert notes.gone.tolist() == [30]


def test_notes_that_were_all_read_are_told_apart_in_the_same_way(shelf: Shelf, tmp_path: Path) -> None:
    notes = edited(shelf, tmp_path, lambda records: records[30].update(text="Something else."))
    assert notes is not None
    found = compared(shelf.index, list(notes))
    assert found is not None
    assert (list(found.fresh), found.gone.tolist(), list(found)) == ([30], [30], list(notes))
    assert compared(shelf.index, list(notes)[::-1]) is None


def test_a_line_that_goes_moves_the_numbers_of_those_behind_it(shelf: Shelf, tmp_path: Path) -> None:
    notes = edited(shelf, tmp_path, lambda records: records.pop(30))
    assert notes is not None
    assert [note.line for note in notes] == list(range(1, 60))
    assert notes.moved.tolist() == [False] * 30 + [True] * 29


@pytest.mark.parametrize(
    "change",
    [
        lambda records: records.reverse(),
        lambda records: records[3].update(links=["own-6"]),
        lambda records: records[3].update({"Related": "own-6"}),
        lambda records: records[3].update(text=""),  # is warned of
        lambda records: records[3].update(title=""),  # is an error
        lambda records: records[3].update(id="own-6"),  # is another's
        lambda records: records.pop(next(row for row, record in enumerate(records) if record["title"] == "Reward")),
        lambda records: records.append({"title": "Reward", "text": "one more of that title"}),
    ],
)
def test_where_other_notes_may_depend_on_a_change_all_are_read(shelf: Shelf, tmp_path: Path, change: Any) -> None:
    records = [dict(record) for record in shelf.records]
    change(records)
    assert shelf.origins is not None
    source = write_lines(tmp_path / "notes.jsonl", records)
    assert renew([source], [], shelf.index, shelf.origins) is None


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, list[dict[str, Any]]]:
    """A source of so many notes that an index of them is renewed, and the index."""
    root = tmp_path_factory.mktemp("large")
    records = [
        {"id": f"n{number}", "title": f"w{number % 101} w{number % 103}", "text": f"v{number}"}
        for number in range(RENEWAL_THRESHOLD + 5)
    ]
    source = write_lines(root / "notes.jsonl", records)
    build_index([source], root / "index", encoder=Scattered())
    return source, root / "index", records


def test_a_large_index_is_renewed_by_what_changed(large: tuple[Path, Path, list[dict[str, Any]]]) -> None:
    source, folder, records = large
    encoder = Scattered()
    first = open_index(folder)
    assert not build_index([source], folder, encoder=encoder).published
    records[7] = records[7] | {"text": "quagga"}
    del records[3]
    records.append({"id": "new", "title": "A new note", "text": "okapi"})
    write_lines(source, records)
    report = build_index([source], folder, encoder=encoder)
    assert (report.added, report.changed, report.removed, report.encoded) == (1, 1, 1, 2)
    index = open_index(folder)
    assert problems(index) == []
    assert list(index.notes()) == read_notes([source]).notes
    assert index.manifest.drift == 2
    assert index.codes is not None and first.codes is not None
    assert index.codes.centres.tobytes() == first.codes.centres.tobytes()  # not learned anew
    assert index.codes.codes.tobytes() == first.codes.of(index.vectors).tobytes()
    searcher = Searcher(index, encoder)
    for word, note_id in (("quagga", "n7"), ("okapi", "new")):
        assert searcher.search(word, k=1, mode="lexical")[0].note.id == note_id
        row = index.row_of(note_id)
        assert row in nearest(index.vectors[row], index.vectors, 10, codes=index.codes)[0]
    assert index.row_of("n3") is None
    texts = [f"{note.title} {note.description}" for note in index.notes()]
    np.testing.assert_array_equal(index.vectors, encoder.encode_documents(texts))


def test_a_large_index_is_renewed_where_all_notes_have_to_be_read(
    large: tuple[Path, Path, list[dict[str, Any]]],
) -> None:
    source, folder, records = large
    first = open_index(folder)
    records[9] = records[9] | {"links": ["n11"]}
    write_lines(source, records)
    report = build_index([source], folder, encoder=Scattered())
    assert (report.added, report.changed, report.removed, report.encoded) == (0, 1, 0, 0)
    index = open_index(folder)
    assert problems(index) == []
    assert index.codes is not None and first.codes is not None
    assert index.codes.centres.tobytes() == first.codes.centres.tobytes()
    assert list(index.notes()) == read_notes([source]).notes


def test_a_large_index_is_made_anew_when_one_note_in_100_changed_since_it_was(
    large: tuple[Path, Path, list[dict[str, Any]]],
) -> None:
    _, folder, _ = large
    index = open_index(folder)
    before = index.manifest.drift

    def drift(changed: int) -> int | None:
        some = {row: index.note(row) for row in range(changed)}
        kept = np.arange(len(index))
        kept[:changed] = -1
        return drift_of(Renewed(index, kept, np.zeros(len(index), dtype=np.bool_), kept, some))

    most = len(index) // 100 - before
    assert drift(most) == before + most
    assert drift(most + 1) is None


def test_a_renewed_sequence_is_read_like_a_list(shelf: Shelf, tmp_path: Path) -> None:
    notes = edited(shelf, tmp_path, lambda records: records[30].update(text="Something else."))
    assert notes is not None
    whole: list[Note] = list(notes)
    assert notes[3:50:7] == whole[3:50:7]
    with pytest.raises(IndexError):
        notes[60]
