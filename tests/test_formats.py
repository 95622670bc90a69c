"""Every on-disk format that was ever published stands in tests/formats/: it is read for good, or refused with the way
out.  A new one is one folder more; see tests/formats/make.py."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from formats.make import answers
from toys import NOTES, ToyEncoder, write_jsonl

from indexer import IndexStateError, IndexVersionError, build_index, open_index
from indexer.manifest import FORMAT, sealed
from indexer.soundness import problems

FIXTURES = sorted((path for path in (Path(__file__).parent / "formats").iterdir() if path.name.isdigit()), key=str)
READ = [path for path in FIXTURES if int(path.name) == FORMAT]
REFUSED = [path for path in FIXTURES if path not in READ]


def test_there_is_a_fixture_of_every_format_up_to_the_present_one() -> None:
    assert [int(path.name) for path in FIXTURES] == list(range(1, FORMAT + 1))


@pytest.mark.parametrize("fixture", READ, ids=lambda path: path.name)
def test_an_index_of_a_format_that_is_read_answers_as_it_did(fixture: Path, tmp_path: Path) -> None:
    shutil.copytree(fixture / "index", tmp_path / "index")
    index = open_index(tmp_path / "index")
    assert problems(index) == []
    assert [note.id for note in index.notes()] == [note["id"] for note in NOTES]
    expected = json.loads((fixture / "answers.json").read_text("utf-8"))
    found = answers(index)
    assert found.keys() == expected.keys()
    for asked, hits in expected.items():
        assert [note_id for note_id, _ in found[asked]] == [note_id for note_id, _ in hits], asked
        assert [score for _, score in found[asked]] == pytest.approx([score for _, score in hits], abs=2e-6), asked


@pytest.mark.parametrize("fixture", REFUSED, ids=lambda path: path.name)
def test_an_index_of_a_format_that_is_not_read_any_more_is_refused_with_the_way_out(
    fixture: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "index"
    shutil.copytree(fixture / "index", folder)
    source = write_jsonl(tmp_path / "notes.jsonl", NOTES)
    refusal = (
        f"the index in {folder} has format {fixture.name} and this version of kindred reads format {FORMAT}; "
        f"type: kindred index --rebuild --index {folder}"
    )
    with pytest.raises(IndexVersionError) as caught:
        open_index(folder)
    assert str(caught.value) == refusal
    with pytest.raises(IndexVersionError):
        build_index([source], folder, encoder=ToyEncoder())
    assert build_index([source], folder, encoder=ToyEncoder(), rebuild=True).published
    assert len(open_index(folder)) == len(NOTES)


def test_an_index_of_a_later_format_is_refused_with_the_way_out(tmp_path: Path) -> None:
    shutil.copytree(READ[0] / "index", tmp_path / "index")
    path = tmp_path / "index" / "manifest.json"
    record = {key: value for key, value in json.loads(path.read_text("utf-8")).items() if key != "checksum"}
    del record["format"]
    path.write_text(sealed(record | {"new": True}, FORMAT + 1), "utf-8")
    with pytest.raises(IndexVersionError, match=f"has format {FORMAT + 1} and .* reads format {FORMAT}; type: "):
        open_index(tmp_path / "index")


@pytest.mark.parametrize("fixture", REFUSED, ids=lambda path: path.name)
def test_building_an_older_index_again_reads_the_notes_that_it_was_built_from(
    fixture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(fixture / "index", tmp_path / "index")
    write_jsonl(tmp_path / "notes.jsonl", NOTES)
    elsewhere = tmp_path / "elsewhere"
    write_jsonl(elsewhere / "data" / "other.jsonl", NOTES[:1])
    monkeypatch.chdir(elsewhere)
    assert build_index([], tmp_path / "index", encoder=ToyEncoder(), rebuild=True).n_notes == len(NOTES)


def test_building_an_older_index_again_keeps_how_it_was_built(tmp_path: Path) -> None:
    folder = tmp_path / "index"
    folder.mkdir()
    write_jsonl(tmp_path / "notes.jsonl", NOTES)
    old = {"inputs": ["../notes.jsonl"], "analyser": {"language": "german"}, "tokens": False}
    (folder / "manifest.json").write_text(sealed(old, FORMAT - 1), "utf-8")
    build_index([], folder, encoder=ToyEncoder(), rebuild=True)
    manifest = open_index(folder).manifest
    assert (manifest.analyser.language, manifest.wants_tokens) == ("german", False)
    build_index([], folder, encoder=ToyEncoder(), rebuild=True, language="english")
    assert open_index(folder).manifest.analyser.language == "english"


@pytest.mark.parametrize("text", ["{}", "nothing", '{"format": 2, "inputs": []}', '{"format": 2, "inputs": [7]}', "[]"])
def test_an_index_that_does_not_say_what_it_was_built_from_is_not_built_from_other_notes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    folder = tmp_path / "index"
    folder.mkdir()
    write_jsonl(tmp_path / "data" / "other.jsonl", NOTES)
    (folder / "manifest.json").write_text(text, "utf-8")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(IndexStateError, match=r"name the notes: kindred index NOTES --rebuild --index .*/index$"):
        build_index([], folder, encoder=ToyEncoder(), rebuild=True)
    assert (folder / "manifest.json").read_text("utf-8") == text
    assert build_index([tmp_path / "data"], folder, encoder=ToyEncoder(), rebuild=True).n_notes == len(NOTES)
