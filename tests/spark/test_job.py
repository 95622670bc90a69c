"""The work that Spark is given, done here: the lists are those of one process, wherever they keep to older ones."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

pytest.importorskip("pyarrow", reason="the parts' files are Parquet")

from in_process import in_process

from indexer import Index, SourceError, open_index, open_previous
from search.lists import Format, written
from search.neighbours import all_related
from search.spark.job import MANIFEST, Made, read_folder, relate_all
from search.spark.parts import in_order
from search.spark.work import lists_in_lines


def related(folder: Path, output: Path, form: Format | None = "json", fresh: bool = False) -> Made:
    return relate_all(folder, 10, output, form, fresh, in_process())


def text(index: Index, lists: object) -> str:
    return "".join(written(lists.items(), index.manifest.generation, "json"))  # type: ignore[attr-defined]


def older(index: Index) -> Index:
    found = open_previous(index)
    assert found is not None
    return found


def test_the_owner_s_lists_are_bit_by_bit_those_of_one_process(owner_index: Path, tmp_path: Path) -> None:
    index = open_index(owner_index)
    assert related(owner_index, tmp_path / "related.json") == Made(203, None)
    assert (tmp_path / "related.json").read_text("utf-8") == text(index, all_related(index))
    assert [path.name for path in tmp_path.iterdir()] == ["related.json"]


@pytest.mark.parametrize("form", ["json", "jsonl"])
def test_lists_keep_to_those_in_their_file(grown: Path, tmp_path: Path, form: Format) -> None:
    index = open_index(grown)
    before = all_related(older(index))
    steady, fresh = all_related(index, previous=before), all_related(index)
    assert text(index, steady) != text(index, fresh)
    output = tmp_path / f"related.{form}"
    output.write_text("".join(written(before.items(), "000001-00000000", form)), "utf-8")
    changed = sum([f.id for f in steady[i]] != [f.id for f in before.get(i, ())] for i in steady)
    assert related(grown, output, form) == Made(90, changed)
    assert output.read_text("utf-8") == "".join(written(steady.items(), index.manifest.generation, form))
    assert related(grown, output, form, fresh=True) == Made(90, None)
    assert output.read_text("utf-8") == "".join(written(fresh.items(), index.manifest.generation, form))


@pytest.mark.parametrize("name", ["my lists é.json", "a[1], {b} %20.jsonl"])
def test_a_file_may_be_called_as_one_likes(grown: Path, tmp_path: Path, name: str) -> None:
    form: Format = "jsonl" if name.endswith("l") else "json"
    related(grown, tmp_path / name, form, fresh=True)
    assert related(grown, tmp_path / name, form) == Made(90, 0)


@pytest.mark.parametrize("span", [1, 100, 5_000])
def test_a_long_file_is_read_in_spans_each_line_once(grown: Path, tmp_path: Path, span: int) -> None:
    output = tmp_path / "related.json"
    related(grown, output, fresh=True)
    size = output.stat().st_size
    spans = [(begin, min(begin + span, size)) for begin in range(0, size, span)]
    lists = list(lists_in_lines(str(output), spans))
    assert [note_id for note_id, _ in lists] == [note.id for note in open_index(grown).notes()]


def test_without_a_file_lists_keep_to_those_of_the_generation_before(grown: Path, tmp_path: Path) -> None:
    index = open_index(grown)
    related(grown, tmp_path / "related.json")
    steady = all_related(index, previous=all_related(older(index)))
    assert (tmp_path / "related.json").read_text("utf-8") == text(index, steady)


def test_a_folder_of_parquet_is_kept_to_replaced_and_described(grown: Path, tmp_path: Path) -> None:
    index = open_index(grown)
    fresh = all_related(index)
    folder = tmp_path / "lists"
    folder.mkdir()
    assert related(grown, folder, None, fresh=True) == Made(90, None)
    assert dict(in_order(read_folder(folder))).keys() == fresh.keys()
    assert related(grown, folder, None).changed == 0
    manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
    assert (manifest["generation"], manifest["k"], manifest["notes"]) == (index.manifest.generation, 10, 90)
    assert [(part["file"], part["notes"]) for part in manifest["parts"]] == [
        ("part-00000.parquet", 25),
        ("part-00001.parquet", 25),
        ("part-00002.parquet", 25),
        ("part-00003.parquet", 15),
    ]
    assert sorted(path.name for path in folder.iterdir()) == [MANIFEST, *(part["file"] for part in manifest["parts"])]
    assert [path.name for path in tmp_path.iterdir()] == ["lists"]


def test_another_program_reads_the_folder_as_one_table(grown: Path, tmp_path: Path) -> None:
    import pyarrow.dataset

    related(grown, tmp_path / "lists", None, fresh=True)
    table = pyarrow.dataset.dataset(tmp_path / "lists", format="parquet").to_table()
    expected = {note: [found.as_dict() for found in lists] for note, lists in all_related(open_index(grown)).items()}
    assert dict(zip(table["id"].to_pylist(), table["related"].to_pylist(), strict=True)) == expected


def test_what_a_stopped_run_made_is_taken_over_and_the_rest_is_the_same_bytes(grown: Path, tmp_path: Path) -> None:
    whole, output = tmp_path / "whole.parquet", tmp_path / "related.parquet"
    related(grown, whole, None, fresh=True)
    parts = tmp_path / "related.parquet.parts"
    with pytest.raises(KeyboardInterrupt):
        relate_all(grown, 10, output, None, True, in_process(stops_after=6))  # candidates of four parts, lists of two
    assert sorted(path.name for path in parts.glob("part-*")) == ["part-00000.parquet", "part-00001.parquet"]
    (parts / "part-00002.parquet").write_bytes(b"half of it")
    times = {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in sorted(parts.glob("part-0000[01]*"))}
    related(grown, output, None, fresh=True)
    assert times == {name: ((output / name).stat().st_ino, (output / name).stat().st_mtime_ns) for name in times}
    assert {path.name: path.read_bytes() for path in output.iterdir()} == {
        path.name: path.read_bytes() for path in whole.iterdir()
    }


def test_parts_of_other_work_are_not_taken_over(grown: Path, tmp_path: Path) -> None:
    output = tmp_path / "related.json"
    parts = tmp_path / "related.json.parts"
    related(grown, tmp_path / "two.parquet", None, fresh=True)
    shutil.copytree(tmp_path / "two.parquet", parts)
    (parts / "_job.json").write_text('{"work": "another"}', "utf-8")
    related(grown, output, fresh=True)
    index = open_index(grown)
    assert output.read_text("utf-8") == text(index, all_related(index))
    assert not parts.exists()


def test_nothing_that_is_not_ours_is_written_over(grown: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.json"
    mine.write_text("# Mine", "utf-8")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "x.parquet").write_text("Mine", "utf-8")
    (tmp_path / "list.json.parts").mkdir()
    for output, form in (
        (mine, "json"),
        (tmp_path / "mine", None),
        (tmp_path / "mine", "json"),
        (tmp_path / "list.json", "json"),
    ):
        with pytest.raises(SourceError):
            related(grown, output, form)  # type: ignore[arg-type]
    assert mine.read_text("utf-8") == "# Mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["list.json.parts", "mine", "mine.json"]
