"""`kindred related` as people meet it: one list, all lists as a file, and what changed."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from toys import NOTES, ToyEncoder, write_jsonl

from indexer import build_index
from search.cli import main

NOTE = "can-llms-design-reward-functions-for-reinforcement-learning"


def run(*words: object) -> Result:
    return CliRunner().invoke(main, ["related", *(str(word) for word in words)])


@pytest.fixture
def toy_copy(toy_folder: Path, tmp_path: Path) -> Path:
    """An index of the toy notes that a test may build again."""
    shutil.copytree(toy_folder, tmp_path / "index")
    return tmp_path / "index"


def rebuilt(folder: Path, notes: list[dict[str, object]]) -> Path:
    build_index([write_jsonl(folder.parent / "notes.jsonl", notes)], folder, encoder=ToyEncoder())
    return folder


def test_a_list_says_how_sure_it_is_and_why(owner_index: Path) -> None:
    done = run(NOTE, "--index", owner_index, "-k", 1)
    assert "likeness 3." in done.stdout and "strong · Both s" in done.stdout


def test_the_list_of_a_note_is_the_one_in_the_file(owner_index: Path) -> None:
    every = json.loads(run("--all", "--index", owner_index).stdout)
    single = [json.loads(line) for line in run(NOTE, "--index", owner_index, "--json").stdout.splitlines()]
    shared = ("id", "title", "grade", "reason", "bridge", "linked")
    assert [[hit[name] for name in shared] for hit in single] == [
        [found[name] for name in shared] for found in every["notes"][NOTE]
    ]
    assert len(every["notes"]) == 203
    assert every["generation"].startswith("000001-")


def test_the_same_notes_give_the_same_bytes(owner_index: Path, tmp_path: Path) -> None:
    for name in ("a.json", "b.json"):
        done = run("--all", "--index", owner_index, "-o", tmp_path / name)
        assert (done.exit_code, done.stdout) == (0, "")
        assert done.stderr == f"Wrote the lists of 203 notes to {tmp_path / name}.\n"
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert run("--all", "--index", owner_index).stdout.encode() == (tmp_path / "a.json").read_bytes()


def test_the_file_s_name_or_format_says_how_it_is_written(toy_copy: Path, tmp_path: Path) -> None:
    for words, start in (
        (["-o", tmp_path / "x.csv"], "note,rank,"),
        (["-o", tmp_path / "x.jsonl"], '{"id": '),
        (["-o", tmp_path / "x", "--format", "csv"], "note,rank,"),
    ):
        assert run("--all", "--index", toy_copy, *words).exit_code == 0
        assert Path(words[1]).read_text("utf-8").startswith(start)
    assert run("--all", "--index", toy_copy, "--json").stdout.startswith('{"id": ')


def test_a_file_that_is_not_ours_is_never_written_over(toy_copy: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.md").write_text("# Mine", "utf-8")
    for more in ([], ["--fresh"]):
        done = run("--all", "--index", toy_copy, "-o", tmp_path / "mine.md", *more)
        assert done.exit_code == 1 and "no file of related notes" in done.stderr
    assert (tmp_path / "mine.md").read_text("utf-8") == "# Mine"


def test_diff_tells_what_a_new_note_changes_and_writes_nothing(toy_copy: Path, tmp_path: Path) -> None:
    file = tmp_path / "related.json"
    assert run("--all", "--index", toy_copy, "-o", file).exit_code == 0
    before = file.read_bytes()
    new = {"id": "new", "title": "Reward hacking, again", "description": "A policy exploits the reward model."}
    rebuilt(toy_copy, [*NOTES[:-1], new])  # the last note is gone
    done = run("--all", "--index", toy_copy, "-o", file, "--diff")
    assert file.read_bytes() == before
    assert "\nnew (new)\n" in done.stdout and done.stdout.endswith("hackers (gone)\n")
    assert "Reward hacking, again" in done.stdout
    assert done.stderr.count("\n") == 1 and " of 7 lists changed: " in done.stderr
    records = [
        json.loads(line)
        for line in run("--all", "--index", toy_copy, "-o", file, "--diff", "--json").stdout.splitlines()
    ]
    assert [(record["was"], record["now"]) for record in records if record["note"] == "new"] == [
        (None, rank) for rank in range(1, 7)
    ]
    assert all(record["was"] != record["now"] for record in records)
    assert run("--all", "--index", toy_copy, "-o", file).exit_code == 0
    again = run("--all", "--index", toy_copy, "-o", file, "--diff")
    assert (again.stdout, again.stderr) == ("", "0 of 7 lists changed: 0 added, 0 removed, 0 moved.\n")


def test_without_a_file_diff_compares_with_the_generation_before(toy_copy: Path) -> None:
    assert run("--all", "--index", toy_copy, "--diff").stderr == "There are no lists of before to compare with.\n"
    rebuilt(toy_copy, NOTES[:-1])
    done = run("--all", "--index", toy_copy, "--diff")
    assert done.stdout.endswith("hackers (gone)\n")
    assert "- " in done.stdout


def test_a_new_file_says_how_many_lists_changed(toy_copy: Path, tmp_path: Path) -> None:
    file = tmp_path / "related.jsonl"
    run("--all", "--index", toy_copy, "-o", file)
    assert run("--all", "--index", toy_copy, "-o", file).stderr.endswith("related.jsonl, 0 changed.\n")
    rebuilt(toy_copy, NOTES[:-1])
    assert run("--all", "--index", toy_copy, "-o", file).stderr.endswith("related.jsonl, 6 changed.\n")


def test_wrong_usage_exits_2(toy_folder: Path, tmp_path: Path) -> None:
    for words in (
        [],
        ["cafe", "--all"],
        ["cafe", "--diff"],
        ["cafe", "-o", tmp_path / "x"],
        ["--all", "--explain"],
        ["--all", "-o", tmp_path / "missing" / "x.json"],
    ):
        assert run(*words, "--index", toy_folder).exit_code == 2, words
