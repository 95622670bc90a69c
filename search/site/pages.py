"""This module renders the pages of a site from its templates; every text of a note is escaped by the engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from search.site.catalogue import Catalogue, Entry, Section
from search.site.drawing import SHAPES, WIDTH, Drawing, look_of

_TEMPLATES = Path(__file__).parent / "templates"
_LONGEST_TITLE = 100  # characters of a note's title in the window's; the page shows all of it
VIEWS = (("index.html", "List"), ("topics.html", "Topics"), ("map.html", "Map"))


@dataclass(frozen=True, slots=True)
class Site:
    """What all pages share.  ``scripts`` are the files below assets that each page runs, in this order; ``base`` is the
    address that the site will have, ending with "/", or "" where none was given; ``is_live`` says that a server
    answers its pages."""

    title: str
    catalogue: Catalogue
    generation: str
    language: str
    scripts: Sequence[str]
    base: str = ""
    has_feed: bool = False
    is_live: bool = False


class Pages:
    """The pages of a site as HTML, each made when it is asked for; safe to share between threads.  ``draw`` gives the
    map, and is asked where the map is."""

    def __init__(self, site: Site, draw: Callable[[], Drawing]) -> None:
        self.site = site
        self._draw = draw

    def all(self, progress: Callable[[int, int], None]) -> Iterator[tuple[str, str]]:
        """Every page: its path below the site's folder, and its HTML."""
        for path, _ in VIEWS:
            yield path, self.view(path)
        if self.site.catalogue.is_split:
            for cluster in self.site.catalogue.clusters:
                for section in cluster.sections:
                    yield section.page, self.topic(section)
        entries = self.site.catalogue.entries
        for number, entry in enumerate(entries.values(), start=1):
            yield f"notes/{entry.page}.html", self.note(entry)
            progress(number, len(entries))

    def view(self, path: str) -> str:
        """One of ``VIEWS``."""
        more = {"drawing": self._draw()} if path == "map.html" else {}
        return self._rendered(path, path, "", **more)

    def topic(self, section: Section) -> str:
        """The page of a topic, where each has its own."""
        return self._rendered("topic.html", section.page, "../", section=section)

    def note(self, entry: Entry) -> str:
        """The page of a note."""
        path = f"notes/{entry.page}.html"
        return self._rendered("note.html", path, "../", entry=entry, entries=self.site.catalogue.entries)

    def missing(self, path: str) -> str:
        """What a server shows at a path that has no page."""
        return self._rendered("missing.html", path, "../" * path.count("/"))

    def _rendered(self, template: str, path: str, root: str, **values: Any) -> str:
        shared = {"site": self.site, "catalogue": self.site.catalogue}
        text: str = _environment().get_template(template).render(path=path, root=root, **shared, **values)
        return text


@cache
def _environment() -> Any:
    """The engine, with what is the same for every site: it refers to its templates and they to it, and so to nothing
    that must go."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # here, so that other commands do not pay for it

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.globals.update(look_of=look_of, shapes=SHAPES, views=VIEWS, width=WIDTH)
    environment.filters["count"] = _count
    environment.filters["short"] = _short
    return environment


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_TITLE else text[:_LONGEST_TITLE].rstrip() + "…"
