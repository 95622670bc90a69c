"""Every byte that is not as it was written is found, and no search is misled by one."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from stage import ALL, NEW, OLD, QUERIES, Count, tiny_encoder
from toys import write_jsonl

from indexer import IndexStateError, build_index, open_index
from indexer.integrity import lasting
from search import MODES, Searcher
from search.status import examine

FLIPS, SEARCHES = (1000, 200) if ALL else (120, 40)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an index with all that an index may hold at this size, in its second generation."""
    root = tmp_path_factory.mktemp("flips")
    encoder = tiny_encoder(root / "model")
    for notes in (NEW, OLD):
        build_index([write_jsonl(root / "notes.jsonl", notes)], root / "index", encoder=encoder)
    return root / "index"


@pytest.fixture
def folder(built: Path, scratch: Path) -> Path:
    """A copy of it beside its notes."""
    shutil.copytree(built.parent, scratch / "desk")
    return scratch / "desk" / "index"


def files_of(folder: Path) -> list[Path]:
    """Every file of the newest generation that has a byte, and the manifest that names it."""
    generation = folder / open_index(folder).manifest.generation
    files = [path for path in sorted(generation.rglob("*")) if path.is_file() and path.stat().st_size]
    return [folder / "manifest.json", *files]


def flip(path: Path, chance: random.Random) -> bytes:
    """Change one byte of a file, and give back what it was."""
    sound = path.read_bytes()
    data = bytearray(sound)
    data[chance.randrange(len(data))] ^= chance.randrange(1, 256)
    path.write_bytes(data)
    return sound


def is_found(folder: Path) -> bool:
    """Whether `kindred check` fails."""
    try:
        return not examine(folder)["sound"]
    except IndexStateError:
        return True


def test_every_flipped_byte_is_found(folder: Path, count: Count) -> None:
    assert not is_found(folder)
    chance = random.Random(11)  # noqa: S311 - no secret
    files = files_of(folder)
    for number in range(FLIPS):
        path = files[number % len(files)]
        sound = flip(path, chance)
        assert is_found(folder), path
        path.write_bytes(sound)
        count("flips", 1)
    assert not is_found(folder)


def test_every_bit_of_the_manifest_counts(folder: Path) -> None:
    path = folder / "manifest.json"
    sound = path.read_bytes()
    for place in range(0, len(sound), 7 if ALL else 101):
        for bit in range(8):
            data = bytearray(sound)
            data[place] ^= 1 << bit
            path.write_bytes(data)
            with pytest.raises(IndexStateError):
                open_index(folder)


def cut(path: Path, older: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def grown(path: Path, older: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\0")


def missing(path: Path, older: Path) -> None:
    path.unlink()


def doubled(path: Path, older: Path) -> None:
    shutil.copyfile(path, path.with_name("copy of " + path.name))


def of_the_generation_before(path: Path, older: Path) -> None:
    shutil.copyfile(older, path)


@pytest.mark.parametrize("damage", [cut, grown, missing, doubled, of_the_generation_before])
def test_a_file_that_is_cut_grown_missing_extra_or_of_another_generation_is_found_and_put_right(
    built: Path, scratch: Path, damage: Callable[[Path, Path], None], count: Count
) -> None:
    for number, pattern in enumerate(
        ("vectors.npy", "impacts/values.npy", "notes.jsonl", "words/text.npy", "manifest.json")
    ):
        folder = Path(shutil.copytree(built, scratch / str(number)))
        older, newest = sorted(folder.glob("0*"))
        assert newest.name == open_index(folder).manifest.generation
        damage(next(newest.glob(pattern)), next(older.glob(pattern)))
        assert is_found(folder), pattern
        report = build_index([built.parent / "notes.jsonl"], folder)
        assert report.published and report.remarks
        assert not is_found(folder)
        shutil.rmtree(folder)
        count("damaged files", 1)


def test_what_is_derived_is_made_anew_without_encoding_a_note(folder: Path) -> None:
    for number in range(2):
        manifest = open_index(folder).manifest
        name = sorted(manifest.files.keys() - lasting(manifest.files).keys())[7 * number]
        flip(folder / manifest.generation / name, random.Random(3))  # noqa: S311 - no secret
        assert examine(folder)["problems"] == [f"{name} differs from what was published"]
        report = build_index([], folder)
        assert (report.published, report.encoded) == (True, 0)
        assert examine(folder)["sound"]


def test_after_other_damage_what_the_generation_before_holds_is_not_encoded_again(folder: Path) -> None:
    """It holds five of the seven notes."""
    flip(folder / open_index(folder).manifest.generation / "vectors.npy", random.Random(4))  # noqa: S311
    report = build_index([], folder)
    assert (report.published, report.encoded, report.n_notes) == (True, 2, len(OLD))
    assert report.remarks[0].endswith(": built again from the generation before")
    assert examine(folder)["sound"]


def test_a_damaged_manifest_costs_no_note_and_not_the_memory_of_where_they_are(folder: Path) -> None:
    flip(folder / "manifest.json", random.Random(5))  # noqa: S311 - no secret
    with pytest.raises(IndexStateError):
        open_index(folder)
    report = build_index([], folder)
    assert (report.published, report.encoded, report.n_notes) == (True, 0, len(OLD))
    assert "its copy in 000002-" in report.remarks[0]
    assert examine(folder)["sound"]


def found(folder: Path) -> list[Any]:
    """What every query finds in every mode, what is related to each note, and the notes themselves."""
    searcher = Searcher.open(folder)
    return [
        *([(hit.note, hit.score) for hit in searcher.search(query, mode=mode)] for query in QUERIES for mode in MODES),
        *([(hit.note, hit.score) for hit in searcher.related(note.id)] for note in searcher.index.notes()),
    ]


def test_a_search_in_a_damaged_index_is_refused_or_right(folder: Path, count: Count) -> None:
    expected = found(folder)
    chance = random.Random(13)  # noqa: S311 - no secret
    files = files_of(folder)
    refused = 0
    for _ in range(SEARCHES):
        path = chance.choice(files)
        sound = flip(path, chance)
        try:
            assert found(folder) == expected, path
        except IndexStateError as error:
            assert "; type: kindred index" in str(error)
            refused += 1
        path.write_bytes(sound)
        count("damaged searches", 1)
    assert refused > SEARCHES // 2
