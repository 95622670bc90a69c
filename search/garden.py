"""This module finds what a gardener of notes would put right: from the notes and their lists of related notes; pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from statistics import fmean, median, pstdev

from indexer import Note
from search.neighbours import FLOOR, STRONG, Lists

Pair = tuple[str, str]  # the ids of two notes, the smaller first

# Likeness is counted in standard deviations above a random pair of notes of this collection; see ``search.likeness``.
# How many robust deviations (1.4826 times the median absolute one) above the usual a near-duplicate is.  The usual is
# the likeness of second neighbours: a note's double is its first.  On 203 notes 5 finds three pairs, all of which say
# almost the same; 4.5 finds six, one of which shares a subject alone, and 4 finds nine.
_BEYOND = 5.0
# Deviations above the mean number of lists that a hub stands in as strong or fair: 3 of 203 notes.  Lists are made so
# that no note stands in all of them, and 3 finds none.
_HUB = 2.5
_FEW = 3  # notes that make a topic
# A topic's notes stand in each other's lists no oftener than by chance: at most so many binomial deviations above it.
# On 203 notes in 20 topics 2 finds one, as 3 does; of 18 notes or fewer 3 would ask for more than a small topic has.
_CHANCE = 2.0
# So many nearest notes, all of one other topic, say that a note belongs there: 2 say it of 11 of 203 notes, 3 of three.
_AGREEING = 3
_SHOWN = 3  # neighbours that are named beside a note


@dataclass(frozen=True, slots=True)
class Subject:
    """A note, or a topic, which has no id and whose title is its name."""

    id: str
    title: str
    topic: str


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to look at: a subject, what it is seen beside (the nearest first), and the figure that it has."""

    subject: Subject
    others: tuple[Subject, ...]
    figure: float | None  # None where nothing is near
    fact: str  # the figure in words
    advice: str


@dataclass(frozen=True, slots=True)
class Section:
    """Findings of one kind, the most pressing first; ``rule`` says in figures how they were found."""

    name: str
    title: str
    meaning: str
    rule: str
    findings: tuple[Finding, ...]


def garden(notes: Sequence[Note], lists: Lists) -> list[Section]:
    """Six sections: near-duplicates, orphans, missing links, hubs, thin topics, notes that may be filed wrongly.

    ``lists`` holds the neighbours of every note, best first.  Where no note links to another, orphans are the notes
    that stand in no list, and pairs across topics stand for missing links.  Likenesses are counted from random pairs
    of this collection, so no threshold is a cosine.  Equal figures are ordered by id.  Takes time and memory in
    proportion to the lists.
    """
    plot = _Plot(notes, lists)
    doubles = _near_duplicates(plot)
    taken = {(finding.subject.id, finding.others[0].id) for finding in doubles.findings}  # asked, never iterated
    return [
        doubles,
        _orphans(plot),
        _missing_links(plot, taken) if plot.has_links else _across_topics(plot, taken),
        _hubs(plot),
        _thin_topics(plot),
        _misfiled(plot),
    ]


class _Plot:
    """The notes and their lists, and what several sections count of them."""

    def __init__(self, notes: Sequence[Note], lists: Lists) -> None:
        self.lists = lists
        self.subjects = {note.id: Subject(note.id, note.title, note.topic) for note in notes}
        self.links = {note.id: note.links for note in notes}
        self.has_links = any(self.links.values())
        self.entries = Counter(neighbour.id for listed in lists.values() for neighbour in listed)
        self.topics: dict[str, list[str]] = {}
        for note in notes:
            if note.topic:
                self.topics.setdefault(note.topic, []).append(note.id)
        self.pairs: dict[Pair, float] = {}  # with the greater likeness of the two directions
        self.linked: set[Pair] = set()  # asked, never iterated
        for note_id, listed in lists.items():
            for neighbour in listed:
                pair = min(note_id, neighbour.id), max(note_id, neighbour.id)
                self.pairs[pair] = max(neighbour.score, self.pairs.get(pair, -math.inf))
                if neighbour.linked:
                    self.linked.add(pair)

    def nearest(self, note_id: str) -> tuple[tuple[Subject, ...], float | None]:
        """The first neighbours of a note, and the likeness of the first of all; nothing where none reaches the floor
        (in collections too small for a floor, lists hold whatever there is)."""
        near = [other for other in self.lists[note_id] if other.score >= FLOOR][:_SHOWN]
        return tuple(self.subjects[other.id] for other in near), near[0].score if near else None

    def paired(self, wanted: Callable[[Pair, float], bool], advice: str) -> tuple[Finding, ...]:
        """The pairs that are wanted, the most alike first."""
        pairs = [(-score, pair) for pair, score in self.pairs.items() if wanted(pair, score)]
        return tuple(
            Finding(self.subjects[one], (self.subjects[other],), -less, f"likeness {-less:.2f}", advice)
            for less, (one, other) in sorted(pairs)
        )

    def nearest_topic(self, topic: str) -> tuple[Subject, ...]:
        """The other topic that has most of the likeness in the lists of a topic's notes; nothing where none has."""
        likeness: dict[str, float] = {}
        for note_id in self.topics[topic]:
            for neighbour in self.lists[note_id]:
                there = self.subjects[neighbour.id].topic
                if there not in ("", topic):
                    likeness[there] = likeness.get(there, 0.0) + neighbour.score
        ranked = sorted((-score, name) for name, score in likeness.items())
        return tuple(Subject("", name, "") for _, name in ranked[:1])


def _near_duplicates(plot: _Plot) -> Section:
    seconds = [listed[1].score for listed in plot.lists.values() if len(listed) > 1]
    usual = float(median(seconds)) if seconds else 0.0
    deviation = 1.4826 * median(abs(score - usual) for score in seconds) if seconds else 0.0
    most = usual + _BEYOND * deviation
    return Section(
        "near-duplicate",
        "Near-duplicates",
        "Two notes that say almost the same: merge them, or let each title say what sets it apart.",
        f"A likeness above {most:.2f}, which is {_BEYOND:.0f} deviations of {deviation:.2f} above the {usual:.2f} that "
        f"second neighbours usually have, and of at least {STRONG}.",
        plot.paired(lambda _, score: score > most and score >= STRONG, "merge, or tell apart in the titles"),
    )


def _orphans(plot: _Plot) -> Section:
    reached = {target for links in plot.links.values() for target in links}  # asked, never iterated
    found: list[tuple[int, float, str, Finding]] = []  # how pressing, minus the likeness of the nearest, note, finding

    def add(pressing: int, note_id: str, fact: str, advice: str) -> None:
        others, likeness = plot.nearest(note_id)
        if not others:
            fact, advice = f"{fact}, and nothing near", "see whether it belongs here"
        finding = Finding(plot.subjects[note_id], others, likeness, fact, advice)
        found.append((pressing, -(likeness or 0.0), note_id, finding))

    for note_id, links in plot.links.items():
        if not plot.has_links:
            if not plot.entries[note_id]:
                add(0, note_id, "in no list", "name in it what it shares with the nearest")
        elif note_id not in reached and not links:
            add(0, note_id, "no link to it and none from it", "link it with a note near it")
        elif note_id not in reached:
            add(1, note_id, "no link to it", "link to it from a note near it")
        elif not links:
            add(2, note_id, "no link from it", "link from it to a note near it")
    findings = tuple(finding for *_, finding in sorted(found, key=lambda one: one[:3]))
    if plot.has_links:
        meaning = "Notes that no other links to, or that link to none: link them with what is near."
        rule = "Counted over the links between notes; first what has neither, then by the likeness of the nearest note."
    else:
        meaning = "Notes that no list of related notes leads to: say in them what they share with the nearest."
        rule = "In the list of no other note; no note here links to another."
    return Section("orphan", "Orphans", meaning, rule, findings)


def _missing_links(plot: _Plot, doubles: Set[Pair]) -> Section:
    return Section(
        "missing-link",
        "Missing links",
        "Two notes that are near and not linked: link one to the other where a reader of it would want to go on.",
        f"A strong likeness (at least {STRONG}), no link either way, and no near-duplicates.",
        plot.paired(
            lambda pair, score: score >= STRONG and pair not in plot.linked and pair not in doubles,
            "link one to the other",
        ),
    )


def _across_topics(plot: _Plot, doubles: Set[Pair]) -> Section:
    def apart(pair: Pair) -> bool:
        one, other = (plot.subjects[note_id].topic for note_id in pair)
        return bool(one and other and one != other)

    return Section(
        "across-topics",
        "Pairs across topics",
        "No note here links to another, so none is missing; these are near though they are of two topics: name one in "
        "the other.",
        f"A strong likeness (at least {STRONG}), two topics, and no near-duplicates.",
        plot.paired(
            lambda pair, score: score >= STRONG and pair not in doubles and apart(pair), "name one in the other"
        ),
    )


def _hubs(plot: _Plot) -> Section:
    near = Counter(other.id for listed in plot.lists.values() for other in listed if other.grade != "weak")
    counts = [near[note_id] for note_id in plot.lists]
    mean, deviation = (fmean(counts), pstdev(counts)) if counts else (0.0, 0.0)
    most = mean + _HUB * deviation
    hubs = sorted((-count, note_id) for note_id, count in near.items() if count > most)
    return Section(
        "hub",
        "Hubs",
        "Notes that are near to many: good places to begin, or so general that they are better split.",
        f"Strong or fair in more than {most:.2f} lists: {_HUB} deviations of {deviation:.2f} above the mean of "
        f"{mean:.2f}.",
        tuple(
            Finding(plot.subjects[note_id], (), -less, f"in {-less} lists", "begin there, or split it")
            for less, note_id in hubs
        ),
    )


def _thin_topics(plot: _Plot) -> Section:
    found: list[tuple[float, str, int, str, str]] = []  # how pressing, the topic, its notes, what it is, what to do
    for topic, members in plot.topics.items():
        near = [other.id for note_id in members for other in plot.lists[note_id] if other.grade != "weak"]
        within = sum(plot.subjects[other].topic == topic for other in near)
        share = (len(members) - 1) / max(len(plot.lists) - 1, 1)
        chance = share * len(near)
        most = chance + _CHANCE * math.sqrt(chance * (1 - share))
        size = "1 note" if len(members) == 1 else f"{len(members)} notes"
        if len(members) < _FEW:
            found.append((-1 / len(members), topic, len(members), size, "add to it, or move"))
        elif within <= most:
            fact = f"{size}, {within} times in each other's lists, {chance:.1f} by chance"
            pressing = within / most if most else 0.0
            found.append((pressing, topic, len(members), fact, "split it, or say what holds it together"))
    findings = tuple(
        Finding(Subject("", topic, ""), plot.nearest_topic(topic), size, fact, advice)
        for _, topic, size, fact, advice in sorted(found if len(plot.topics) > 1 else [])
    )
    return Section(
        "thin-topic",
        "Thin topics",
        "Topics of few notes, or whose notes have little to do with each other: fill, merge or split them.",
        f"Fewer than {_FEW} notes, or fair in each other's lists no oftener than {_CHANCE:.0f} deviations above "
        "chance; beside it the topic to which the lists of its notes lead.",
        findings,
    )


def _misfiled(plot: _Plot) -> Section:
    found: list[tuple[int, float, str, str]] = []  # minus how many agree, minus the likeness of the last, note, topic
    for note_id, listed in plot.lists.items():
        topics = ["" if other.grade == "weak" else plot.subjects[other.id].topic for other in listed]
        agreeing = next((place for place, topic in enumerate(topics) if topic != topics[0]), len(topics))
        if agreeing >= _AGREEING and topics[0] and plot.subjects[note_id].topic not in ("", topics[0]):
            found.append((-agreeing, -listed[_AGREEING - 1].score, note_id, topics[0]))
    return Section(
        "filed-wrongly",
        "Perhaps filed wrongly",
        "Notes whose nearest are all of one other topic: move them there, or say what they have to do with their own.",
        f"The first {_AGREEING} neighbours or more are of one other topic, and strong or fair.",
        tuple(
            Finding(
                plot.subjects[note_id],
                plot.nearest(note_id)[0],
                -less,
                f"the nearest {-less} are of {topic}",
                f"move to {topic}, or say why not",
            )
            for less, _, note_id, topic in sorted(found)
        ),
    )
