"""How the notes on disk differ from those in an index: named exactly, and looked at cheaply."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from toys import ToyEncoder

from indexer import Freshness, NoteChanges, SourceError, build_index, open_index

OPENED: list[str] = []
sys.addaudithook(lambda event, args: OPENED.append(str(args[0])) if event == "open" else None)

Write = Callable[[str, str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a note into the folder "vault"."""

    def put(name: str, text: str) -> Path:
        path = tmp_path / "vault" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        return path

    put("memory.md", "# Memory\n\nAgents search.\n")
    put("proof.md", "# Proof\n\nEvery step is checked.\n")
    put("draft.md", "---\ndraft: true\n---\n# Draft\n")
    return put


@pytest.fixture
def fresh(write: Write, tmp_path: Path) -> Freshness:
    build_index([tmp_path / "vault"], tmp_path / "vault" / "index", encoder=ToyEncoder())
    return Freshness(open_index(tmp_path / "vault" / "index"))


def test_nothing_differs_right_after_a_build_although_a_draft_lies_beside_the_notes(fresh: Freshness) -> None:
    assert fresh.changes() == NoteChanges()
    assert not fresh.changes() and fresh.changes().lines() == []


def test_notes_that_were_added_changed_and_removed_are_named_sorted(fresh: Freshness, write: Write) -> None:
    write("zebra.md", "# Zebra\n\nStripes.\n")
    write("ant.md", "# Ant\n\nSix legs.\n")
    write("proof.md", "# Proof\n\nNo step is checked.\n")
    (write("memory.md", "")).unlink()
    found = fresh.changes()
    assert found == NoteChanges(added=("ant", "zebra"), changed=("proof",), removed=("memory",))
    assert len(found) == 4
    assert found.lines() == ["added: ant", "added: zebra", "changed: proof", "removed: memory"]


def test_a_change_of_as_many_letters_is_seen_and_its_return_as_well(fresh: Freshness, write: Write) -> None:
    write("memory.md", "# Memory\n\nAgents sealed.\n")
    assert fresh.changes().changed == ("memory",)
    write("memory.md", "# Memory\n\nAgents search.\n")
    assert fresh.changes() == NoteChanges()


def test_a_file_that_was_only_touched_is_no_change(fresh: Freshness, tmp_path: Path) -> None:
    os.utime(tmp_path / "vault" / "memory.md", (0, 0))
    assert fresh.changes() == NoteChanges()


def test_what_does_not_count_as_a_note_is_no_change(fresh: Freshness, write: Write) -> None:
    for name in (".memory.md.swp", "memory.md~", "4913", ".obsidian/memory.md", "index/extra.md", "README.md"):
        write(name, "# Memory\n\nOther words.\n")
    assert fresh.changes() == NoteChanges()


def test_who_asks_again_opens_no_file_that_stayed_as_it_was(fresh: Freshness, write: Write, tmp_path: Path) -> None:
    def opened() -> set[str]:
        OPENED.clear()
        fresh.changes()
        return {Path(path).name for path in OPENED if path.startswith(str(tmp_path / "vault")) and ".md" in path}

    assert opened() == {"memory.md", "proof.md", "draft.md"}
    assert opened() == set()
    write("memory.md", "# Memory\n\nAgents forget.\n")
    assert "memory.md" in opened()
    assert opened() == set()


def test_notes_that_cannot_be_read_are_an_error_until_they_can(fresh: Freshness, write: Write) -> None:
    write("proof.md", '---\nid: "broken\n---\n# Proof\n')
    for _ in range(2):
        with pytest.raises(SourceError, match=r"proof\.md"):
            fresh.changes()
    write("proof.md", "# Proof\n\nEvery step is checked.\n")
    assert fresh.changes() == NoteChanges()
