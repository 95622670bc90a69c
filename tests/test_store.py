from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toys import NOTES, ToyEncoder, record, resealed, write_jsonl

from indexer import (
    BuildReport,
    EncoderMismatchError,
    Index,
    IndexCorruptError,
    IndexLockedError,
    IndexNotFoundError,
    IndexStateError,
    IndexVersionError,
    IndexWriteError,
    build_index,
    load_encoder,
    open_index,
    open_previous,
)
from indexer.integrity import entry_of
from indexer.manifest import sealed
from indexer.soundness import problems
from search import MODES, Searcher


class Desk:
    """A file of notes, and an index of it."""

    def __init__(self, root: Path) -> None:
        self.source = root / "notes.jsonl"
        self.folder = root / "index"
        self.encoder = ToyEncoder()

    def build(self, notes: list[dict[str, Any]] | None = None, **options: Any) -> BuildReport:
        if notes is not None:
            write_jsonl(self.source, notes)
        return build_index([self.source], self.folder, encoder=self.encoder, **options)

    def generation(self) -> Path:
        return self.folder / open_index(self.folder).manifest.generation

    def generations(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir() if path.is_dir())


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("built")
    Desk(root).build(NOTES)
    return root


@pytest.fixture
def desk(built: Path, tmp_path: Path) -> Desk:
    """A fresh copy of a built desk; its encoder has encoded nothing yet."""
    shutil.copytree(built, tmp_path / "desk")
    return Desk(tmp_path / "desk")


def hashes(folder: Path) -> dict[str, str]:
    """Every file that the manifest lists, with the SHA-256 of its bytes as they are now."""
    index = open_index(folder)
    generation = folder / index.manifest.generation
    return {name: sha256((generation / name).read_bytes()).hexdigest() for name in index.manifest.files}


def from_nothing(root: Path, notes: list[dict[str, Any]]) -> dict[str, str]:
    desk = Desk(root)
    desk.build(notes)
    return hashes(desk.folder)


def changed(row: int, **values: object) -> list[dict[str, Any]]:
    return [*NOTES[:row], NOTES[row] | values, *NOTES[row + 1 :]]


def test_a_built_index_holds_every_note_in_the_order_of_its_source(desk: Desk) -> None:
    index = open_index(desk.folder)
    assert len(index) == len(NOTES)
    assert [(note.id, note.title, note.description, note.topic, list(note.tags)) for note in index.notes()] == [
        (note["id"], note["title"], note["description"], note["topic"], note["tags"]) for note in NOTES
    ]
    assert [index.row_of(str(note["id"])) for note in NOTES] == list(range(len(NOTES)))
    assert index.row_of("nobody") is None
    assert problems(index) == []


def test_vectors_are_those_of_title_and_description_a_row_a_note(desk: Desk) -> None:
    texts = [f"{note['title']} {note['description']}" for note in NOTES]
    np.testing.assert_array_equal(open_index(desk.folder).vectors, ToyEncoder().encode_documents(texts))


def test_two_builds_give_the_same_bytes_in_every_listed_file(desk: Desk, tmp_path: Path) -> None:
    other = from_nothing(tmp_path / "deep" / "er", NOTES)
    assert hashes(desk.folder) == other
    assert {"notes.jsonl", "vectors.npy", "impacts/values.npy"} <= other.keys()


def test_two_builds_of_the_owners_notes_give_the_same_bytes(owner_index: Path, tmp_path: Path) -> None:
    build_index([Path(__file__).parent.parent / "data"], tmp_path / "again")
    assert hashes(tmp_path / "again") == hashes(owner_index)


def test_a_rebuild_of_unchanged_notes_gives_the_same_bytes_in_a_new_generation(desk: Desk) -> None:
    before, name = hashes(desk.folder), desk.generation().name
    report = desk.build(rebuild=True)
    assert report.published
    assert report.encoded == len(NOTES)
    assert hashes(desk.folder) == before
    assert desk.generation().name != name or desk.generations() == [name]


def test_where_nothing_changed_nothing_is_published_and_nothing_encoded(desk: Desk) -> None:
    before = (desk.folder / "manifest.json").read_bytes()
    report = desk.build()
    assert (report.published, report.encoded, report.added, report.changed, report.removed) == (False, 0, 0, 0, 0)
    assert desk.encoder.encoded == 0
    assert (desk.folder / "manifest.json").read_bytes() == before
    assert len(desk.generations()) == 1


def test_one_changed_note_costs_one_encoding_and_the_result_equals_a_rebuild(desk: Desk, tmp_path: Path) -> None:
    notes = changed(3, description="Agents forget.")
    report = desk.build(notes)
    assert desk.encoder.encoded == report.encoded == 1
    assert (report.published, report.added, report.changed, report.removed) == (True, 0, 1, 0)
    assert hashes(desk.folder) == from_nothing(tmp_path / "new", notes)
    assert problems(open_index(desk.folder)) == []


def test_a_changed_topic_or_tag_needs_no_encoding(desk: Desk, tmp_path: Path) -> None:
    notes = changed(4, topic="Kitchen", tags=["food"])
    report = desk.build(notes)
    assert (report.published, report.changed, report.encoded) == (True, 1, 0)
    assert hashes(desk.folder) == from_nothing(tmp_path / "new", notes)


def test_another_order_of_the_notes_needs_no_encoding_and_moves_every_vector_with_its_note(
    desk: Desk, tmp_path: Path
) -> None:
    notes = NOTES[::-1]
    report = desk.build(notes)
    assert (report.published, report.encoded) == (True, 0)
    assert hashes(desk.folder) == from_nothing(tmp_path / "new", notes)


def test_added_and_removed_notes_are_counted_found_and_gone(desk: Desk, tmp_path: Path) -> None:
    notes = [*NOTES[:2], record("new", "A new proof of memory", "Found in the search."), *NOTES[3:]]
    report = desk.build(notes)
    assert (report.added, report.changed, report.removed, report.encoded) == (1, 0, 1, 1)
    assert hashes(desk.folder) == from_nothing(tmp_path / "new", notes)
    searcher = Searcher.open(desk.folder, encoder=desk.encoder)
    assert searcher.index.row_of("critic-free") is None
    for mode in MODES:
        found = {hit.note.id for hit in searcher.search("training without a critic proof", k=100, mode=mode)}
        assert "critic-free" not in found
        assert "new" in found
    assert "critic-free" not in {hit.note.id for hit in searcher.search("tag:rl")}


def test_equal_texts_are_encoded_once(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    report = desk.build([record(f"n{number}", "Same", "text") for number in range(5)])
    assert desk.encoder.encoded == report.encoded == 1
    vectors = open_index(desk.folder).vectors
    assert len({row.tobytes() for row in vectors}) == 1


def test_a_single_note_and_a_note_without_a_word_can_be_indexed(tmp_path: Path) -> None:
    for name, title in (("one", "Reward"), ("none", "???")):
        desk = Desk(tmp_path / name)
        desk.build([record("only", title, "")])
        assert problems(open_index(desk.folder)) == []
        searcher = Searcher.open(desk.folder, encoder=desk.encoder)
        assert [hit.note.id for hit in searcher.search("reward")] == ["only"]
        assert searcher.related("only") == []


def test_another_encoder_encodes_every_note_again(desk: Desk) -> None:
    desk.encoder = ToyEncoder("toy-2")
    assert desk.build().encoded == len(NOTES)
    assert open_index(desk.folder).manifest.encoder.fingerprint == "toy-2"


def test_another_language_is_published_without_encoding_and_stays(desk: Desk) -> None:
    report = desk.build(language="german")
    assert (report.published, report.encoded) == (True, 0)
    assert desk.build().published is False
    assert open_index(desk.folder).manifest.analyser.language == "german"


def test_only_the_current_and_the_previous_generation_stay(desk: Desk) -> None:
    names = [desk.generation().name]
    for number in range(4):
        desk.build(changed(0, description=f"Version {number}."))
        names.append(desk.generation().name)
        assert desk.generations() == names[-2:]
    assert [name[:6] for name in names] == ["000001", "000002", "000003", "000004", "000005"]


def test_what_an_interrupted_build_left_is_dropped_by_the_next(desk: Desk, tmp_path: Path) -> None:
    for name in ("000001.part", "000002.part", "000007.part"):
        (desk.folder / name / "words").mkdir(parents=True)
        (desk.folder / name / "notes.jsonl").write_text("half a l")
    (desk.folder / "my own folder").mkdir()
    assert len(open_index(desk.folder)) == len(NOTES)
    previous = desk.generation().name
    notes = changed(0, description="Other.")
    desk.build(notes)
    assert desk.generations() == sorted([previous, desk.generation().name, "my own folder"])
    assert hashes(desk.folder) == from_nothing(tmp_path / "new", notes)


def test_a_build_that_dies_while_it_writes_leaves_the_old_index_in_place(desk: Desk) -> None:
    before = hashes(desk.folder)

    def die(stage: str, done: int, total: int) -> None:
        if stage == "indexing words":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        desk.build(changed(0, description="Other."), progress=die)
    assert len(desk.generations()) == 1  # the old one, and nothing half
    assert hashes(desk.folder) == before
    assert problems(open_index(desk.folder)) == []
    assert desk.build().published
    assert open_index(desk.folder).note(0).description == "Other."
    assert not [name for name in desk.generations() if name.endswith(".part")]


def test_a_file_in_the_place_of_the_index_is_an_error_of_one_sentence(desk: Desk, tmp_path: Path) -> None:
    desk.folder = tmp_path / "file"
    desk.folder.write_text("not a folder", "utf-8")
    with pytest.raises(IndexWriteError, match=r"the index in .*file cannot be written: .*; put that right") as caught:
        desk.build()
    assert "\n" not in str(caught.value) and desk.folder.read_text("utf-8") == "not a folder"


def test_what_a_killed_build_left_is_gone_after_the_next_even_where_nothing_changed(desk: Desk) -> None:
    desk.build(changed(0, description="Other."))
    kept = sorted(path.name for path in desk.folder.iterdir())
    older, newest = desk.generations()
    for name in ("000003-0123abcd", "000000-0123abcd"):  # not published any more, not dropped yet
        shutil.copytree(desk.folder / newest, desk.folder / name)
    (desk.folder / ".manifest.json.4711").write_text("{", "utf-8")
    (desk.folder / f"{older}.part").mkdir()
    assert not desk.build().published
    assert sorted(path.name for path in desk.folder.iterdir()) == kept


def test_progress_is_told_of_every_text_that_is_encoded(tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    Desk(tmp_path).build(NOTES, progress=lambda *step: told.append(step))
    assert ("encoding notes", len(NOTES), len(NOTES)) in told


def test_a_searcher_that_was_open_before_a_publish_still_answers_as_before(desk: Desk) -> None:
    searcher = Searcher.open(desk.folder, encoder=desk.encoder)
    queries = ["reward", "reward -hacking", '"without a critic"', "proo*", "tag:rl"]

    def answers() -> list[list[tuple[str, float]]]:
        return [[(hit.note.id, hit.score) for hit in searcher.search(query)] for query in queries]

    before = answers()
    desk.build(NOTES[3:])
    assert answers() == before
    assert len(Searcher.open(desk.folder).index) == len(NOTES) - 3


@pytest.mark.parametrize("query", ["reward policy", '"without a critic"', "proo* topic:memory -hacking", "critik~"])
def test_a_searcher_outlives_the_generation_it_reads(desk: Desk, query: str) -> None:
    searcher = Searcher.open(desk.folder, encoder=desk.encoder)
    before = [(hit.note.id, hit.score) for hit in searcher.search(query)]
    assert before
    for number in range(3):
        desk.build(changed(0, description=f"Version {number}."))
    assert not (desk.folder / searcher.index.manifest.generation).exists()
    assert [(hit.note.id, hit.score) for hit in searcher.search(query)] == before


def one_sentence_with_the_next_command(error: IndexStateError, folder: Path) -> bool:
    text = str(error)
    return error.path == folder and str(folder) in text and "\n" not in text and "; type: kindred index" in text


def test_a_folder_without_an_index_is_said_to_have_none(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("x")
    for folder in (tmp_path / "none", tmp_path / "empty", tmp_path / "file"):
        with pytest.raises(IndexNotFoundError) as caught:
            open_index(folder)
        assert one_sentence_with_the_next_command(caught.value, folder)


def test_a_manifest_of_another_format_is_refused_with_both_formats_and_a_remedy(desk: Desk) -> None:
    path = desk.folder / "manifest.json"
    for found in (0, 1, 2, 99, "2", None):
        path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | {"format": found}), "utf-8")
        with pytest.raises(IndexVersionError) as caught:
            open_index(desk.folder)
        assert one_sentence_with_the_next_command(caught.value, desk.folder)
        assert repr(found) in str(caught.value)
        assert "kindred index --rebuild" in str(caught.value)
        with pytest.raises(IndexVersionError):
            desk.build()
    assert desk.build(rebuild=True).published
    assert problems(open_index(desk.folder)) == []


@pytest.mark.parametrize(
    "garbage",
    [b"", b"{", b"null", b"7", b"[]", b"{}", b'{"format": 3}', b"\xff\xfe\x00", b"\0" * 100, b"[" * 100_000],
)
def test_a_manifest_that_is_garbage_is_refused_and_built_anew(desk: Desk, garbage: bytes) -> None:
    (desk.folder / "manifest.json").write_bytes(garbage)
    with pytest.raises(IndexCorruptError) as caught:
        open_index(desk.folder)
    assert one_sentence_with_the_next_command(caught.value, desk.folder)
    report = desk.build()
    assert report.published
    assert report.remarks
    assert problems(open_index(desk.folder)) == []


KEYS = ("generation", "notes", "analyser", "bm25", "encoder", "files", "codes", "drift", "inputs", "sources", "created")


@pytest.mark.parametrize("key", KEYS)
def test_a_manifest_with_a_value_of_another_kind_is_refused_or_harmless(desk: Desk, key: str) -> None:
    path = desk.folder / "manifest.json"
    sound = {name: value for name, value in json.loads(path.read_text("utf-8")).items() if name != "checksum"}
    values: list[object] = [None, 5, -1, "x", "../x", [], ["x"], {}, {"x": 1}, {"x": {}}]
    for value in values:
        path.write_text(sealed(sound | {key: value}), "utf-8")
        try:
            index = open_index(desk.folder)
        except IndexStateError as error:
            assert one_sentence_with_the_next_command(error, desk.folder)
        else:
            assert [note.id for note in index.notes()] == [note["id"] for note in NOTES]


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-5])


@pytest.mark.parametrize("damage", [truncate, Path.unlink])
def test_a_file_that_is_cut_or_missing_is_noticed_at_opening_and_built_anew(
    desk: Desk, damage: Callable[[Path], None]
) -> None:
    sound = hashes(desk.folder)
    for name in sound:
        damage(desk.generation() / name)
        with pytest.raises(IndexCorruptError) as caught:
            open_index(desk.folder)
        assert name in str(caught.value)
        assert one_sentence_with_the_next_command(caught.value, desk.folder)
        report = desk.build()
        assert report.published
        assert name in report.remarks[0]
        assert hashes(desk.folder) == sound


def test_a_flipped_byte_is_found_in_every_file_and_built_anew(desk: Desk) -> None:
    sound = hashes(desk.folder)
    for name in sound:
        path = desk.generation() / name
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.write_bytes(data)
        with pytest.raises(IndexCorruptError, match=f"{name} differs from what was published") as caught:
            open_index(desk.folder)
        assert one_sentence_with_the_next_command(caught.value, desk.folder)
        report = desk.build()
        assert report.published
        assert "damaged" in report.remarks[0]
        assert hashes(desk.folder) == sound


def test_an_array_whose_header_makes_no_sense_is_an_error_even_where_its_hash_is_right(desk: Desk) -> None:
    """In a large index arrays are opened without reading them; numpy raises TokenError here."""
    path = desk.generation() / "vectors.npy"
    path.write_bytes(path.read_bytes().replace(b"(7, 9)", b"((7,9)"))
    manifest = desk.folder / "manifest.json"
    record = json.loads(manifest.read_text("utf-8"))
    record["files"]["vectors.npy"] = entry_of(path)
    manifest.write_text(resealed(record), "utf-8")
    with pytest.raises(IndexCorruptError) as caught:
        open_index(desk.folder)
    assert one_sentence_with_the_next_command(caught.value, desk.folder)


def test_a_generation_that_is_missing_is_noticed_and_built_anew(desk: Desk) -> None:
    shutil.rmtree(desk.generation())
    with pytest.raises(IndexCorruptError, match="is missing") as caught:
        open_index(desk.folder)
    assert one_sentence_with_the_next_command(caught.value, desk.folder)
    assert desk.build().published
    assert problems(open_index(desk.folder)) == []


@pytest.mark.parametrize("name", ["postings/rows.npy", "impacts/values.npy", "words/text.npy", "grams", "acronyms"])
def test_a_damaged_part_that_is_made_of_the_rest_is_refused_and_made_anew_without_encoding_a_note(
    desk: Desk, name: str
) -> None:
    path = desk.generation() / name
    shutil.rmtree(path) if path.is_dir() else path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(IndexCorruptError) as caught:
        Searcher.open(desk.folder, encoder=desk.encoder)
    assert one_sentence_with_the_next_command(caught.value, desk.folder)
    report = desk.build()
    assert report.published and report.encoded == 0
    assert "damaged" in report.remarks[0]
    assert Searcher.open(desk.folder, encoder=desk.encoder).search('"reward"')


def test_a_second_builder_is_refused_while_the_first_is_at_work(desk: Desk) -> None:
    holder = (
        "import sys; from filelock import FileLock\n"
        "with FileLock(sys.argv[1]): print('locked', flush=True); sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", holder, str(desk.folder / ".lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "locked\n"
        with pytest.raises(IndexLockedError) as caught:
            desk.build(NOTES[1:])
        assert str(desk.folder) in str(caught.value)
        assert len(open_index(desk.folder)) == len(NOTES)  # readers do not wait
        process.communicate()
    assert desk.build(NOTES[1:]).published


def test_an_index_of_another_encoder_is_refused_when_meaning_is_asked_for(owner_index: Path) -> None:
    index = open_index(owner_index)
    other = replace(index.manifest.encoder, fingerprint="f" * 64)
    with pytest.raises(EncoderMismatchError, match=r"f{12}"):
        load_encoder(other.name, known=other)
    foreign = Index(index.folder, replace(index.manifest, encoder=other), owner_index / index.manifest.generation)
    searcher = Searcher(foreign)
    assert searcher.search("reward", mode="lexical")
    with pytest.raises(EncoderMismatchError, match=f"; type: kindred index --index {owner_index}$"):
        searcher.search("reward", mode="semantic")


def test_the_owners_index_is_sound_and_answers(owner_index: Path) -> None:
    index = open_index(owner_index)
    assert problems(index) == []
    title = "Can LLMs design reward functions for reinforcement learning?"
    for mode in MODES:
        # its own title is the best query that a note can have
        assert Searcher.open(owner_index).search(title, k=1, mode=mode)[0].note.title == title


def test_a_rebuild_keeps_the_old_generation_until_the_new_one_is_published(tmp_path: Path) -> None:
    folder, notes = tmp_path / "index", tmp_path / "notes.jsonl"
    notes.write_text('{"title": "a", "text": "b"}\n', "utf-8")
    old = build_index([notes], folder, encoder=ToyEncoder()).generation
    seen: list[bool] = []

    def watch(stage: str, done: int, total: int) -> None:
        seen.append((folder / old / "notes.jsonl").is_file())

    new = build_index([notes], folder, encoder=ToyEncoder(), rebuild=True, progress=watch).generation
    assert seen and all(seen)
    assert int(new[:6]) == int(old[:6]) + 1
    assert sorted(path.name for path in folder.iterdir() if path.name[0] == "0") == [old, new]


def test_a_rebuild_without_paths_reads_what_the_index_was_built_from(tmp_path: Path) -> None:
    folder, notes = tmp_path / "index", tmp_path / "notes.jsonl"
    notes.write_text('{"title": "running", "text": "b"}\n', "utf-8")
    build_index([notes], folder, encoder=ToyEncoder(), language="german")
    report = build_index([], folder, encoder=ToyEncoder(), rebuild=True)
    assert (report.published, report.encoded, report.n_notes) == (True, 1, 1)
    assert open_index(folder).manifest.analyser.language == "german"


def test_token_vectors_can_be_left_out_stay_out_and_come_back(tmp_path: Path) -> None:
    source = write_jsonl(tmp_path / "notes.jsonl", [record("a", "Reward hacking", "A policy exploits its reward.")])
    with_tokens = build_index([source], tmp_path / "index")
    assert open_index(tmp_path / "index").late is not None
    without = build_index([], tmp_path / "index", tokens=False)
    assert (without.published, without.encoded) == (True, 0)
    assert open_index(tmp_path / "index").late is None
    assert not build_index([], tmp_path / "index").published
    write_jsonl(source, [record("a", "Reward hacking", "A policy exploits it.")])
    assert build_index([], tmp_path / "index").encoded == 1
    assert open_index(tmp_path / "index").late is None
    again = build_index([], tmp_path / "index", tokens=True)
    assert again.published and again.encoded == with_tokens.encoded == 1
    assert open_index(tmp_path / "index").late is not None


def test_the_generation_before_can_be_opened_while_it_is_kept(desk: Desk) -> None:
    assert open_previous(open_index(desk.folder)) is None
    first = open_index(desk.folder).manifest
    desk.build(NOTES[:-1])
    newest = open_index(desk.folder)
    older = open_previous(newest)
    assert older is not None and older.manifest == first
    assert [note.id for note in older.notes()] == [note["id"] for note in NOTES]
    assert open_previous(older) is None


def test_a_generation_before_without_its_manifest_is_not_opened(desk: Desk) -> None:
    first = open_index(desk.folder).manifest.generation
    desk.build(NOTES[:-1])
    (desk.folder / first / "manifest.json").unlink()
    assert open_previous(open_index(desk.folder)) is None
