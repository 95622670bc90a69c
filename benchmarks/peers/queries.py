"""This module makes queries whose answer is known: the note that their words were taken from.  Pure.

They are drawn by a seed, in turn: a title of which words are missing, keywords of a description, a question of words
of both.  They say less than judged queries do (other notes may answer as well, and no word is another's synonym), but
they are the same for every system.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from random import Random

from benchmarks.peers.task import Query, Text

COUNT = 200
_KEPT = 0.6  # the share of a title's words that is kept
_WARM_UP = 20
_WORD = re.compile(r"[^\W\d_]{4,}")
_QUESTIONS = (
    "how does {} help with {} in {}?",
    "what is known about {} and {} for {}?",
    "why is {} a problem for {}, {} and {}?",
    "can {} be used for {} and {} with {}?",
)


def made_queries(notes: Sequence[Text], stop_words: Collection[str], count: int = COUNT, seed: int = 0) -> list[Query]:
    """Queries that warm up, which nothing is the answer to, and then ``count`` with one answer each.

    No two have the same answer; fewer come back where the notes are fewer.  ``notes`` are those to draw from.
    """
    chance = Random(seed)  # noqa: S311 - no secrets
    places = _shuffled(len(notes), chance)
    counts = Counter(word for note in notes for word in _content(f"{note.title} {note.description}", stop_words))
    queries: list[Query] = []
    for place in places:
        if len(queries) == count + _WARM_UP:
            break
        note = notes[place]
        number = len(queries)
        title, body = (_telling(_content(text, stop_words), counts) for text in (note.title, note.description))
        if len(title) < 2 or len(body) < 4:
            continue
        if number % 3 == 0:
            text = " ".join(_drawn(note.title.split(), max(3, round(_KEPT * len(note.title.split()))), chance))
        elif number % 3 == 1:
            text = " ".join(_drawn(body, 2 + number // 3 % 3, chance))
        else:
            pattern = _QUESTIONS[number // 3 % len(_QUESTIONS)]
            n_words = pattern.count("{}")
            text = pattern.format(*_drawn(title, 2, chance), *_drawn(body, n_words - 2, chance))
        queries.append(Query(f"made-{number:03d}", text, {note.id: 1} if number >= _WARM_UP else {}))
    return queries


def titles_to_warm_up(notes: Sequence[Text]) -> list[Query]:
    """Titles, for collections whose own queries are all measured."""
    step = max(1, len(notes) // _WARM_UP)
    return [Query(f"warm-{note.id}", note.title, {}) for note in notes[::step][:_WARM_UP]]


def _content(text: str, stop_words: Collection[str]) -> list[str]:
    words = (word.lower() for word in _WORD.findall(text))
    return list(dict.fromkeys(word for word in words if word not in stop_words))


def _telling(words: Sequence[str], counts: Mapping[str, int]) -> list[str]:
    """The half that the fewest notes hold, in their order: people ask for what tells a note from others."""
    rare = sorted(words, key=lambda word: (counts[word], word))[: (len(words) + 1) // 2]
    return [word for word in words if word in rare]


def _drawn(words: Sequence[str], count: int, chance: Random) -> list[str]:
    """``count`` of the words, in their order."""
    return [words[place] for place in sorted(_shuffled(len(words), chance)[:count])]


def _shuffled(count: int, chance: Random) -> list[int]:
    keys = [chance.random() for _ in range(count)]
    return sorted(range(count), key=lambda place: (keys[place], place))
