"""This module orders what a site shows: clusters with their topics, topics with their notes, and each note's page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from indexer import Index, Note
from search.neighbours import Lists, Neighbour
from search.site.names import page_name

WITHOUT_TOPIC = "Without a topic"


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


@dataclass(frozen=True, slots=True)
class Section:
    """The notes of one topic in one cluster, in their order."""

    topic: int
    title: str
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

    @property
    def in_places(self) -> list[Entry]:
        """The entries by their sorted ids."""
        return sorted(self.entries.values(), key=lambda entry: entry.place)

    def topic_name(self, number: int) -> str:
        """What a topic is called on a page."""
        return self.topics[number] or WITHOUT_TOPIC


def catalogue_of(index: Index, lists: Lists) -> Catalogue:
    """The notes of ``index`` with their related notes; clusters, topics and notes in the order of rows."""
    notes = list(index.notes())
    ids = {note.id for note in notes}
    topics = tuple(dict.fromkeys(note.topic for note in notes))
    numbers = {topic: number for number, topic in enumerate(topics)}
    linked_from: dict[str, list[str]] = {}
    for note in notes:
        for target in note.links:
            linked_from.setdefault(target, []).append(note.id)
    entries = {
        note.id: Entry(
            note,
            row,
            int(index.id_ranks[row]),
            page_name(note.id),
            numbers[note.topic],
            tuple(lists.get(note.id, ())),
            tuple(target for target in note.links if target in ids),
            tuple(linked_from.get(note.id, ())),
        )
        for row, note in enumerate(notes)
    }
    grouped: dict[str, dict[int, list[Entry]]] = {}
    for entry in entries.values():
        grouped.setdefault(entry.note.cluster, {}).setdefault(entry.topic, []).append(entry)
    stated = _stated(index)
    clusters = []
    for place, (title, by_topic) in enumerate(grouped.items()):
        sections = tuple(
            Section(
                topic,
                topics[topic] or WITHOUT_TOPIC,
                f"topic-{topic}" if place == 0 else f"topic-{place}-{topic}",
                tuple(found),
                _leads_to(topic, found, entries),
            )
            for topic, found in by_topic.items()
        )
        clusters.append(Cluster(title, stated.get(title, ""), sections))
    return Catalogue(tuple(clusters), topics, entries)


def _stated(index: Index) -> dict[str, str]:
    """Cluster title -> description, as saved cluster pages state them."""
    stated = [source["cluster"] for source in index.manifest.sources if source.get("cluster")]
    return {cluster["title"]: cluster["description"] for cluster in reversed(stated)}


def _leads_to(topic: int, found: Sequence[Entry], entries: Mapping[str, Entry]) -> tuple[tuple[int, int], ...]:
    there = Counter(entries[other.id].topic for entry in found for other in entry.related if other.id in entries)
    del there[topic]
    return tuple(sorted(there.items(), key=lambda item: (-item[1], item[0]))[:3])
