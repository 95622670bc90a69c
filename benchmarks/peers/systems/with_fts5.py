"""This module is SQLite's FTS5 with the porter tokenizer and weighted bm25, titles counting twice.

Settings: sqlite.org/fts5.html, sections 4.3.3 (porter), 5.1.1 (weights), 5.1.4 and 6.9 (ordering by rank, which is
faster, with the weights kept in the table) and 6.6 (optimize).
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from pathlib import Path

from benchmarks.peers.task import K, Task

DISTRIBUTIONS = ()
_WORDS = re.compile(r"\w+")


def version() -> dict[str, str]:
    """SQLite comes with Python and is no distribution."""
    return {"SQLite": sqlite3.sqlite_version}


def build(task: Task, folder: Path) -> float:
    """See ``worker``."""
    base = sqlite3.connect(folder / "notes.sqlite")
    base.execute(
        "CREATE VIRTUAL TABLE notes USING fts5(id UNINDEXED, title, description, topic, tokenize = 'porter unicode61')"
    )
    rows = ((note.id, note.title, note.description, note.topic) for note in task.notes())
    base.executemany("INSERT INTO notes VALUES (?, ?, ?, ?)", rows)
    base.execute("INSERT INTO notes(notes, rank) VALUES ('rank', 'bm25(0.0, 2.0, 1.0, 1.0)')")
    base.execute("INSERT INTO notes(notes) VALUES ('optimize')")
    base.commit()
    base.close()
    return 0.0


def opened(folder: Path, mode: str) -> Callable[[str], list[str]]:
    """See ``worker``."""
    base = sqlite3.connect(folder / "notes.sqlite")

    def ask(text: str) -> list[str]:
        words = " OR ".join(f'"{word}"' for word in _WORDS.findall(text))
        found = base.execute("SELECT id FROM notes WHERE notes MATCH ? ORDER BY rank LIMIT ?", (words, K))
        return [row[0] for row in found]

    return ask
