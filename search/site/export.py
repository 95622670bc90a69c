"""This module writes a site: its pages, what a browser needs to search, and what other programs read."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from indexer import Index
from search.atlas import positions_in
from search.lists import read_lists, written
from search.neighbours import Lists, all_related
from search.site import feeds
from search.site.assets import STATIC, exported, files
from search.site.catalogue import Catalogue, Entry, catalogue_of
from search.site.drawing import drawing
from search.site.folder import replaced
from search.site.pages import VIEWS, Pages, Site
from search.site.shards import in_fours, search_files


@dataclass(frozen=True, slots=True)
class Report:
    """What was written."""

    notes: int
    files: int
    size: int  # bytes
    remarks: tuple[str, ...]


def write_site(
    index: Index,
    folder: Path,
    k: int = 10,
    title: str | None = None,
    base: str | None = None,
    fresh: bool = False,
    progress: Callable[[str, int, int], None] = lambda stage, done, total: None,
) -> Report:
    """Write the site of ``index`` into ``folder``, all of it or nothing.

    Each note gets up to ``k`` related ones; unless ``fresh``, the lists of a site that was there stay as they are but
    where another note is clearly ahead.  ``title`` is that of the first cluster, or "Notes", where it is not
    given.  With the address ``base``, pages name their own, and a feed and a sitemap are written.  The same index
    gives the same bytes on one machine, where no lists were there.  ``progress`` is told a stage, how much of it is
    done, and of how much.  Raises SiteError, and SourceError where the lists of the site before cannot be read.
    """
    with replaced(folder, index.manifest.generation) as new:
        before = None if fresh else read_lists(folder / "related.json")
        lists = all_related(index, k, before, partial(progress, "related notes"))
        catalogue = catalogue_of(index, lists)
        name = title or catalogue.title
        base = f"{base.rstrip('/')}/" if base else ""
        atom = feeds.feed(catalogue, base, name) if base else None
        remarks = ["no note has a date, so there is no feed"] if base and atom is None else []
        language = index.manifest.analyser.language
        scripts = exported(language)
        site = Site(name, catalogue, index.manifest.generation, language, scripts, base, atom is not None)
        pages = Pages(site, lambda: drawing(catalogue, positions_in(index)))
        for part in ("assets", "data", "notes", *(["topics"] if catalogue.is_split else [])):
            (new / part).mkdir()
        for asset in files(scripts):
            shutil.copyfile(STATIC / asset, new / "assets" / asset)
        for path, text in _texts(index, pages, lists, atom, partial(progress, "pages")):
            (new / path).write_text(text, "utf-8", newline="\n")
        sizes = [path.stat().st_size for path in new.rglob("*") if path.is_file()]
    return Report(len(index), len(sizes), sum(sizes), tuple(remarks))


def _texts(
    index: Index, pages: Pages, lists: Lists, atom: str | None, progress: Callable[[int, int], None]
) -> Iterator[tuple[str, str]]:
    site, catalogue = pages.site, pages.site.catalogue
    yield from pages.all(progress)
    names = [entry.page for entry in catalogue.entries.values()]
    for name, text in search_files(index, names, catalogue.topics):
        yield f"data/{name}.js", text
    for name, text in in_fours("related", [_related(catalogue, entry) for entry in catalogue.in_places]):
        yield f"data/{name}.js", text
    yield "related.json", "".join(written(lists.items(), site.generation, "json"))
    if site.base:
        views = ["" if path == "index.html" else path for path, _ in VIEWS]
        topics = [section.page for cluster in catalogue.clusters for section in cluster.sections]
        yield "sitemap.xml", feeds.sitemap(catalogue, site.base, [*views, *(topics if catalogue.is_split else [])])
    if atom is not None:
        yield "feed.xml", atom


def _related(catalogue: Catalogue, entry: Entry) -> Sequence[Any]:
    """The list of one note for a browser: [title, page, topic, grade, reason, bridge, linked] of each."""
    return [
        [
            other.title,
            catalogue.entries[other.id].page,
            catalogue.entries[other.id].topic,
            other.grade,
            other.reason,
            int(other.bridge),
            int(other.linked),
        ]
        for other in entry.related
    ]
