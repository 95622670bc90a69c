"""This module weighs the site: how long an export takes, and how many bytes a browser loads for a first answer.

    python -m benchmarks.site

Beside the owner's notes stand 5,000 made-up ones, of the length of theirs: words drawn by Zipf's law (rank + 10, as
Mandelbrot has it) from those of the owner's notes, most frequent first, and then those that the encoder knows.  The
judged queries are asked, each in a browser that has loaded nothing yet, and the bytes of the files are counted as they
lie on the disk; hosts that compress send fewer.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import accumulate
from pathlib import Path
from urllib.parse import quote

import numpy as np
from playwright.sync_api import Page, Request, sync_playwright

from benchmarks.judged import owner_notes
from benchmarks.results import ROOT, save, table
from indexer import EncoderInfo, Index, Vectors, build_index, load_encoder, open_index
from indexer.tokens import tokenise
from indexer.words import compile_words
from search.site.export import write_site
from search.site.names import page_name
from search.site.shards import search_files

MADE_UP = 5_000
_TITLE, _DESCRIPTION, _TOPICS = 9, 34, 40  # words, words, topics; as the owner's notes have them, twice their topics
_CHROMIUM = "/usr/bin/chromium"


class Directions:
    """An encoder that gives every text a direction of its own: vectors do not matter here."""

    info = EncoderInfo("directions", "custom", "directions-1", 8)

    def encode_documents(self, texts: Sequence[str], progress: Callable[[int], None] | None = None) -> Vectors:
        """Unit rows, float32 [len(texts), 8]."""
        return np.array([self.encode_query(text) for text in texts], dtype=np.float32)

    def encode_query(self, text: str) -> Vectors:
        """A unit vector, float32 [8]."""
        chance = random.Random(text)  # noqa: S311 - no secrets
        vector = np.array([chance.gauss(0, 1) for _ in range(8)], dtype=np.float32)
        unit: Vectors = vector / np.linalg.norm(vector)
        return unit


def made_up(owner: Index, folder: Path) -> Index:
    """An index of ``MADE_UP`` notes in the new folder ``folder``."""
    vocabulary, notes = owner.words.vocabulary, owner.words.notes
    chance = random.Random(0)  # noqa: S311 - no secrets
    ranked = sorted(range(len(vocabulary)), key=lambda number: (-int(notes[number]), chance.random()))
    words = [vocabulary[number] for number in ranked]
    weights = list(accumulate(1 / (rank + 10) for rank in range(len(words))))

    def text(length: int) -> str:
        return " ".join(chance.choices(words, cum_weights=weights, k=length))

    folder.mkdir()
    with (folder / "notes.jsonl").open("w", encoding="utf-8") as file:
        for number in range(MADE_UP):
            note = {
                "id": f"{text(6).replace(' ', '-')}-{number}",
                "title": text(_TITLE),
                "description": text(_DESCRIPTION),
                "topic": f"Topic {number % _TOPICS}",
            }
            file.write(json.dumps(note, ensure_ascii=False) + "\n")
    build_index([folder / "notes.jsonl"], folder / "index", encoder=Directions())
    index = open_index(folder / "index")
    analyser = index.manifest.analyser
    known = load_encoder().words()  # type: ignore[attr-defined]  # the default encoder knows words
    index.words = compile_words(tokenise(list(index.notes()), analyser), analyser, index.impacts, known)
    return index


def weigh(site: Path, queries: Sequence[str]) -> list[tuple[int, int]]:
    """What each query loads in a fresh browser, from a note's page: bytes of data, and of all files together."""
    page_path = min((site / "notes").iterdir())
    weights = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_CHROMIUM, args=["--no-sandbox"])
        for query in queries:
            context = browser.new_context()
            page = context.new_page()
            asked = _asked(page, site)
            page.goto(f"{page_path.as_uri()}#q={quote(query)}")
            page.wait_for_selector("#results:not([hidden])")
            sizes = [(path.stat().st_size, path.parent.name == "data") for path in asked if path.is_file()]
            weights.append((sum(size for size, is_data in sizes if is_data), sum(size for size, _ in sizes)))
            context.close()
        browser.close()
    return weights


def parser() -> argparse.ArgumentParser:
    """No options but --help."""
    return argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)


def main() -> None:
    """Measure, save, print."""
    parser().parse_args()
    if not Path(_CHROMIUM).is_file():
        print(f"left out: there is no {_CHROMIUM} here, and a browser is what is measured")
        return
    queries = list(owner_notes().texts().values())
    with tempfile.TemporaryDirectory() as scratch:
        site = Path(scratch, "site")
        build_index([ROOT / "data"], Path(scratch, "index"))
        owner = open_index(Path(scratch, "index"))
        started = time.perf_counter()
        report = write_site(owner, site)
        seconds = time.perf_counter() - started
        weights = {"the owner's notes": weigh(site, queries)}
        many = made_up(owner, Path(scratch, "made-up"))
        notes = list(many.notes())
        for path in (site / "data").iterdir():
            path.unlink()
        pages = [page_name(note.id) for note in notes]
        for name, text in search_files(many, pages, list(dict.fromkeys(note.topic for note in notes))):
            (site / "data" / f"{name}.js").write_text(text, "utf-8")
        weights[f"{MADE_UP:,} made-up notes"] = weigh(site, queries)
    rows = [[name, *(f"{value / 1000:.0f} KB" for value in _figures(found))] for name, found in weights.items()]
    text = table(["a first answer from", "data, median", "data, at most", "with page, scripts and style, median"], rows)
    size = f"{report.files} files, {report.size / 1e6:.1f} MB"
    text += f"\n\nExporting the owner's {len(owner)} notes takes {seconds:.1f} s: {size}."
    record = {"queries": len(queries), "export seconds": seconds, "files": report.files, "bytes": report.size}
    save("site", {**record, "bytes of data and of all": weights}, text)


def _figures(weights: Sequence[tuple[int, int]]) -> tuple[float, float, float]:
    data, whole = zip(*weights, strict=True)
    return statistics.median(data), max(data), statistics.median(whole)


def _asked(page: Page, site: Path) -> list[Path]:
    """The files of ``site`` that ``page`` asks for, from now on."""
    asked: list[Path] = []

    def note(request: Request) -> None:
        asked.append(site / request.url.partition("?")[0].partition("#")[0].removeprefix(f"{site.as_uri()}/"))

    page.on("request", note)
    return asked


if __name__ == "__main__":
    main()
