"""This module makes the pages that a server shows of one generation: those of a site, each when it is asked for."""

from __future__ import annotations

from dataclasses import replace
from threading import Lock

from search.atlas import positions_in
from search.neighbours import all_related
from search.searcher import Searcher
from search.site.assets import served
from search.site.catalogue import Catalogue, Section, catalogue_of
from search.site.drawing import drawing
from search.site.pages import VIEWS, Pages, Site

_ALL_AT_ONCE = 500  # notes up to which the table waits for the related notes of all: 10 ms a note
_NEIGHBOURS = 10  # as many as the site shows


class LivePages:
    """The pages of one generation by their paths, which are those of the site that ``kindred export`` writes.

    Safe to share between threads.  A list of related notes is made for the page that shows it.  The map is drawn once,
    when it is first asked for, and so is the table.  Nothing in here refers back to the whole: a generation that is
    succeeded must go when its last request ends, with its files, and not when the collector of cycles comes by.
    """

    def __init__(self, searcher: Searcher) -> None:
        index = searcher.index
        self._searcher = searcher
        catalogue = catalogue_of(index, {})
        self._pages = self._pages_of(catalogue)
        self._notes = {f"notes/{entry.page}.html": note_id for note_id, entry in catalogue.entries.items()}
        self._topics: dict[str, Section] = {}
        for cluster in catalogue.clusters if catalogue.is_split else ():
            self._topics.update((section.page, section) for section in cluster.sections)
        self._views: dict[str, str] = {}
        self._making = {path: Lock() for path, _ in VIEWS}

    def page(self, path: str) -> str | None:
        """The HTML of the page at ``path``, or None where there is no such page."""
        if path in self._notes:
            return self._note(self._notes[path])
        if path in self._topics:
            return self._pages.topic(self._topics[path])
        if path not in self._making:
            return None
        with self._making[path]:  # the map and the table take a second or more: they are not made twice
            if path not in self._views:
                pages = self._pages
                if path == "topics.html" and len(self._searcher.index) <= _ALL_AT_ONCE:
                    lists = all_related(self._searcher.index, _NEIGHBOURS)
                    pages = self._pages_of(catalogue_of(self._searcher.index, lists))
                self._views[path] = pages.view(path)
            return self._views[path]

    def missing(self, path: str) -> str:
        """What is shown at a path that has no page."""
        return self._pages.missing(path)

    def _note(self, note_id: str) -> str:
        entry = self._pages.site.catalogue.entries[note_id]
        return self._pages.note(replace(entry, related=self._searcher.neighbours(note_id, _NEIGHBOURS)))

    def _pages_of(self, catalogue: Catalogue) -> Pages:
        index = self._searcher.index
        language = index.manifest.analyser.language
        site = Site(
            title=catalogue.title,
            catalogue=catalogue,
            generation=index.manifest.generation,
            language=language,
            scripts=served(language),
            is_live=True,
        )
        return Pages(site, lambda: drawing(catalogue, positions_in(index)))
