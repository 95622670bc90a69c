"""This module orders what a site shows: clusters with their topics, topics with their notes, and each note's page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from indexer import Home, Note
from search.neighbours import Lists, Neighbour
from search.site.names import page_name

WITHOUT_TOPIC = "Without a topic"
_ON_ONE_PAGE = 1_000  # notes that one page lists: about 0.9 MB


@dataclass(frozen=True, slots=True)
class Entry:
    """A note with what its pages need; ``place`` is where its id stands among the sorted ids."""

    note: Note
    row: int
    place: int
    page: str  # the name of its page, without ".html"
    topic: int  # a number into ``Catalogue.topics``
    related: tuple[Neighbour, ...]
    links: tuple[str, ...]  # ids of notes that it links to, those there are
    linked_from: tuple[str, ...]  # ids of notes that link to it, in their order
    section: str  # where the list has it: a page below the site's folder, "#" and the anchor of its topic


@dataclass(frozen=True, slots=True)
class Section:
    """The notes of one topic in one cluster, in their order."""

    topic: int
    title: str
    page: str  # the page that lists it, below the site's folder
    anchor: str
    entries: tuple[Entry, ...]
    leads_to: tuple[tuple[int, int], ...]  # other topics with how many of the related notes lie there, most first


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster with its topics; ``title`` is "" where the notes name none."""

    title: str
    description: str
    sections: tuple[Section, ...]

    @property
    def n_notes(self) -> int:
        """How many notes the cluster holds."""
        return sum(len(section.entries) for section in self.sections)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All of a site.  ``topics`` are distinct, in the order of their first note; a note without one has ""."""

    clusters: tuple[Cluster, ...]
    topics: tuple[str, ...]
    entries: Mapping[str, Entry]  # by id, in the order of rows
    is_split: bool  # whether each topic has a page of its own, because one page would be too long

    @property
    def title(self) -> str:
        """The title of the first cluster that has one, or "Notes"."""
        return next((cluster.title for cluster in self.clusters if cluster.title), "Notes")

    @property
    def in_places(self) -> list[Entry]:
        """The entries by their sorted ids."""
        return sorted(self.entries.values(), key=lambda entry: entry.place)

    @property
    def has_leads(self) -> bool:
        """Whether the related notes of any topic lead to another, as far as their lists are known."""
        return any(section.leads_to for cluster in self.clusters for section in cluster.sections)

    def topic_name(self, number: int) -> str:
        """What a topic is called on a page."""
        return self.topics[number] or WITHOUT_TOPIC


def catalogue_of(index: Home, lists: Lists) -> Catalogue:
    """The notes of ``index`` with their related notes; clusters, topics and notes in the order of rows."""
    notes = list(index.notes())
    ids = {note.id for note in notes}
    topics = tuple(dict.fromkeys(note.topic for note in notes))
    numbers = {topic: number for number, topic in enumerate(topics)}
    linked_from: dict[str, list[str]] = {}
    for note in notes:
        for target in note.links:
            linked_from.setdefault(target, []).append(note.id)
    is_split = len(notes) > _ON_ONE_PAGE
    places = {title: place for place, title in enumerate(dict.fromkeys(note.cluster for note in notes))}
    order = index.id_order(index.rows())
    entries = {}
    grouped: dict[str, dict[int, list[Entry]]] = {title: {} for title in places}
    for row, note in enumerate(notes):
        topic = numbers[note.topic]
        page, anchor = _listed(places[note.cluster], topic, is_split)
        entries[note.id] = entry = Entry(
            note=note,
            row=row,
            place=int(order[row]),
            page=page_name(note.id),
            topic=topic,
            related=tuple(lists.get(note.id, ())),
            links=tuple(target for target in note.links if target in ids),
            linked_from=tuple(linked_from.get(note.id, ())),
            section=f"{page}#{anchor}",
        )
        grouped[note.cluster].setdefault(topic, []).append(entry)
    stated = _stated(index)
    clusters = []
    for title, by_topic in grouped.items():
        sections = tuple(
            Section(
                topic,
                topics[topic] or WITHOUT_TOPIC,
                *_listed(places[title], topic, is_split),
                tuple(found),
                _leads_to(topic, found, entries),
            )
            for topic, found in by_topic.items()
        )
        clusters.append(Cluster(title, stated.get(title, ""), sections))
    return Catalogue(tuple(clusters), topics, entries, is_split)


def _listed(cluster: int, topic: int, is_split: bool) -> tuple[str, str]:
    """The page that lists a topic of a cluster, and its anchor there."""
    anchor = f"topic-{cluster}-{topic}"
    return (f"topics/{anchor}.html" if is_split else "index.html"), anchor


def _stated(index: Home) -> dict[str, str]:
    """Cluster title -> description, as saved cluster pages state them."""
    stated = [source["cluster"] for source in index.manifest.sources if source.get("cluster")]
    return {cluster["title"]: cluster["description"] for cluster in reversed(stated)}


def _leads_to(topic: int, found: Sequence[Entry], entries: Mapping[str, Entry]) -> tuple[tuple[int, int], ...]:
    there = Counter(entries[other.id].topic for entry in found for other in entry.related if other.id in entries)
    del there[topic]
    return tuple(sorted(there.items(), key=lambda item: (-item[1], item[0]))[:3])
