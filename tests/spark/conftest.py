"""An index that has changed since the lists of before were made."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from toys import WORDS, ToyEncoder, record, write_jsonl

from indexer import build_index


def made_up(count: int, seed: int) -> list[dict[str, object]]:
    """Notes of a few words, of one of three topics."""
    chance = random.Random(seed)  # noqa: S311 - the same notes every time
    return [
        record(f"note-{n}", " ".join(chance.choices(WORDS, k=3)), " ".join(chance.choices(WORDS, k=9)), f"T{n % 3}")
        for n in range(count)
    ]


@pytest.fixture(scope="session")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of 90 notes in four parts, whose generation before holds 80, some of them other ones."""
    root = tmp_path_factory.mktemp("grown")
    old, new = made_up(80, seed=1), made_up(90, seed=2)
    for notes in (old, [*new[:20], *old[20:60], *new[60:]]):
        build_index([write_jsonl(root / "notes.jsonl", notes)], root / "index", encoder=ToyEncoder())
    return root / "index"
