"""This module renders the pages of a site from its templates; every text of a note is escaped by the engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from search.site.catalogue import Catalogue
from search.site.drawing import SHAPES, WIDTH, Drawing, look_of

_TEMPLATES = Path(__file__).parent / "templates"
_LONGEST_TITLE = 100  # characters of a note's title in the window's; the page shows all of it
VIEWS = (("index.html", "List"), ("topics.html", "Topics"), ("map.html", "Map"))


@dataclass(frozen=True, slots=True)
class Site:
    """What all pages share.  ``base`` is the address that the site will have, ending with "/", or "" where none was
    given; ``scripts`` are the files below assets that each page runs, in this order."""

    title: str
    catalogue: Catalogue
    drawing: Drawing
    generation: str
    scripts: Sequence[str]
    base: str
    has_feed: bool


def render(site: Site, progress: Callable[[int, int], None]) -> Iterator[tuple[str, str]]:
    """Every page: its path below the site's folder, and its HTML."""
    environment = _environment()
    environment.globals.update(site=site, catalogue=site.catalogue, look_of=look_of, shapes=SHAPES, views=VIEWS)
    for path, _ in VIEWS:
        template = environment.get_template(path)
        yield path, template.render(path=path, root="", width=WIDTH)
    if site.catalogue.is_split:
        template = environment.get_template("topic.html")
        for cluster in site.catalogue.clusters:
            for section in cluster.sections:
                yield section.page, template.render(path=section.page, root="../", cluster=cluster, section=section)
    template = environment.get_template("note.html")
    entries = site.catalogue.entries
    for number, entry in enumerate(entries.values(), start=1):
        path = f"notes/{entry.page}.html"
        yield path, template.render(path=path, root="../", entry=entry, entries=entries)
        progress(number, len(entries))


def _environment() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # here, so that other commands do not pay for it

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters["count"] = _count
    environment.filters["short"] = _short
    return environment


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_TITLE else text[:_LONGEST_TITLE].rstrip() + "…"
