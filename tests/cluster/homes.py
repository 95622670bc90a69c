"""This module makes the homes that the contract is held against: the same notes in a folder and on engines.

The notes are the owner's and a few odd ones, whose signs, lengths and languages engines and escapes trip over.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from toys import record, write_jsonl

from indexer import Note, place_of
from search import Searcher
from search.cli import main

DATA = Path(__file__).parent.parent.parent / "data"
# A name of an id that no query language may take for its own, a topic likewise.
QUOTED, TOPIC = """it's-"quoted"\\100%like_this_""", """O'Brien's "topics" \\ (all) 100 %"""
ODD: list[dict[str, Any]] = [
    record(QUOTED, "What breaks an escape?", "Quotes, backslashes and signs in names.", TOPIC, ["draft", "a'b"]),
    record("cafe", "Café crème naïve Straße", "ЖИЗНЬ прекрасна, 再帰とは何か, 3.5 degrees.", "", ["Formal Proof"]),
    record("bare", "A title without more", "", "Reward Models", ["draft", "formal proof"]),
    # More than 4,096 words, and more bytes than a field of an engine takes.
    record("long", "An endless list", " ".join(f"entry{number:05} item" for number in range(6_000)), TOPIC),
    {**record("linked", "Where links lead", "About reward models, and it links to others.", TOPIC), "links": ["cafe"]},
    record("twin-1", "Do twins tie?", "Two notes that say the very same thing.", "Twins"),
    record("twin-2", "Do twins tie?", "Two notes that say the very same thing.", "Twins"),
]  # fmt: skip


@dataclass(frozen=True)
class Home:
    """An index that ``kindred index`` made, and where its odd notes lie, which a test may change."""

    kind: str  # folder, lite2, lite3
    place: str
    odd: Path

    def searcher(self) -> Searcher:
        """The newest generation."""
        return Searcher.open(place_of(self.place))

    def index(self) -> Result:
        """Build it again from the notes as they are now."""
        return run("index", DATA, self.odd, "--index", self.place, "--quiet")

    def printed(self, *words: object) -> list[dict[str, Any]]:
        """What a command prints with --json, a record a line."""
        done = run(*words, "--json", "--index", self.place)
        assert done.exit_code == 0, done.output
        return [json.loads(line) for line in done.stdout.splitlines()]


def made(kind: str, place: str, folder: Path, odd: Sequence[dict[str, Any]] = ODD) -> Home:
    """A home at ``place`` with the owner's notes and ``odd``, which lie in ``folder``."""
    home = Home(kind, place, write_jsonl(folder / "odd.jsonl", odd))
    done = home.index()
    assert done.exit_code == 0, done.output
    return home


def run(*words: object) -> Result:
    """A command, in this process."""
    return CliRunner().invoke(main, [str(word) for word in words])


def refused(*words: object) -> str:
    """The one sentence on stderr of a command that must exit 1 without a traceback."""
    done = run(*words)
    assert done.exit_code == 1, (done.output, done.exception)
    assert isinstance(done.exception, SystemExit), done.exception
    assert done.stdout == ""
    lines = done.stderr.strip().splitlines()
    assert lines[-1].startswith("kindred: ") and "Traceback" not in done.stderr
    return lines[-1]


def notes_of(searcher: Searcher) -> list[Note]:
    """Every note, in order."""
    return list(searcher.index.notes())


def near(value: Any, within: float = 1e-4) -> Any:
    """``value`` with each float in it as one that may differ by ``within``: an engine adds in another order."""
    if isinstance(value, dict):
        return {key: near(part, within) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [near(part, within) for part in value]
    return pytest.approx(value, abs=within) if isinstance(value, float) else value
