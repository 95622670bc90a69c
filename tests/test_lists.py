"""Lists in files: written, read back, refused; and how two sets of lists differ."""

import csv
import io
import json
from pathlib import Path

import pytest

from indexer import SourceError
from search.lists import FORMATS, changes, format_of, read_line, read_lists, written
from search.neighbours import Neighbour


def neighbour(note_id: str, title: str = "A title") -> Neighbour:
    return Neighbour(note_id, title, 2.123456, "fair", "Both say “x”.", True, False)


LISTS = {"a": (neighbour("b", 'Says "no", or 再帰\u2028'), neighbour("c")), "b": (), "c": (neighbour("a"),)}
ROUNDED = '{"id": "c", "title": "A title", "score": 2.1235, "grade": "fair", "reason": "Both say “x”.", "bridge": true, "linked": false}'  # noqa: E501 - a line of a file


def text(form: str) -> str:
    return "".join(written(LISTS.items(), "000001-00000000", next(known for known in FORMATS if known == form)))


def test_json_holds_the_generation_and_the_notes_in_order_a_line_each() -> None:
    record = json.loads(text("json"))
    assert record["generation"] == "000001-00000000"
    assert list(record["notes"]) == ["a", "b", "c"]
    assert record["notes"]["a"][1] == json.loads(ROUNDED)
    assert text("json").split("\n")[2] == '"b": [],'
    assert json.loads("".join(written({}, "000001-00000000", "json"))) == {"generation": "000001-00000000", "notes": {}}


def test_json_lines_hold_a_note_a_line() -> None:
    lines = [json.loads(line) for line in text("jsonl").split("\n")[:-1]]
    assert [line["id"] for line in lines] == ["a", "b", "c"]
    assert lines[0]["related"][1] == json.loads(ROUNDED)


@pytest.mark.parametrize("form", ["json", "jsonl"])
def test_a_line_is_read_by_itself_as_it_is_within_its_file(tmp_path: Path, form: str) -> None:
    (tmp_path / "related").write_text(text(form), "utf-8")
    found = [read_line(line) for line in text(form).split("\n")]
    assert dict(pair for pair in found if pair is not None) == read_lists(tmp_path / "related")


@pytest.mark.parametrize(
    "line", ["{", '{"id": "a"}', '"a": [{}],', '"a": [], "b": []', "# Mine", '{"id": 3, "related": 3}']
)
def test_a_line_of_anything_else_is_refused(line: str) -> None:
    with pytest.raises(ValueError):
        read_line(line)


def test_csv_holds_a_pair_a_line() -> None:
    rows = list(csv.DictReader(io.StringIO(text("csv"))))
    assert [(row["note"], row["rank"], row["id"]) for row in rows] == [
        ("a", "1", "b"),
        ("a", "2", "c"),
        ("c", "1", "a"),
    ]
    assert rows[0]["title"] == 'Says "no", or 再帰\u2028'
    assert (rows[0]["score"], rows[0]["bridge"], rows[0]["linked"]) == ("2.1235", "true", "false")


@pytest.mark.parametrize("form", ["json", "jsonl"])
def test_what_was_written_is_read_back(tmp_path: Path, form: str) -> None:
    (tmp_path / "related").write_text(text(form), "utf-8")
    kept = read_lists(tmp_path / "related")
    assert kept is not None
    assert {note_id: [found.as_dict() for found in found_there] for note_id, found_there in kept.items()} == {
        note_id: [found.as_dict() for found in neighbours] for note_id, neighbours in LISTS.items()
    }


def test_nothing_is_kept_from_csv_an_empty_file_or_none(tmp_path: Path) -> None:
    assert read_lists(tmp_path / "nothing.json") is None
    (tmp_path / "related.csv").write_text(text("csv"), "utf-8")
    assert read_lists(tmp_path / "related.csv") is None
    (tmp_path / "empty").touch()
    assert read_lists(tmp_path / "empty") is None


@pytest.mark.parametrize(
    "content",
    ["# Mine", '{"title": "x"}', '{"generation": "1", "notes": [1]}', '{"generation": "1"}', "[]", "1", "\x00\udcff",
     '{"id": "a", "related": [{"id": "b"}]}', text("json")[:-20]],
)  # fmt: skip
def test_another_file_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "other.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(SourceError, match="no file of related notes"):
        read_lists(tmp_path / "other.json")


def test_the_format_is_what_the_name_ends_in_else_json() -> None:
    for name, form in (
        ("a.json", "json"),
        ("a.JSONL", "jsonl"),
        ("a.csv", "csv"),
        ("a.txt", "json"),
        ("related", "json"),
    ):
        assert format_of(Path(name)) == form


def moves(before: str, after: str) -> list[tuple[str, int | None, int | None]]:
    """What changes from one list to another, each written as the letters of its notes."""
    found = changes([neighbour(letter) for letter in before], [neighbour(letter) for letter in after])
    return [(change.neighbour.id, change.was, change.now) for change in found]


def test_added_and_removed_neighbours_come_with_their_ranks() -> None:
    assert moves("abc", "axb") == [("x", None, 2), ("c", 3, None)]
    assert moves("", "a") == [("a", None, 1)]
    assert moves("abc", "abc") == []


def test_what_makes_room_has_not_moved() -> None:
    assert moves("abcd", "dabc") == [("d", 4, 1)]
    assert moves("abcd", "bcda") == [("a", 1, 4)]
    assert moves("abcd", "xcabd") == [("x", None, 1), ("c", 3, 2)]
