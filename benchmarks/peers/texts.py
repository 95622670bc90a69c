"""This module makes notes: from nothing but a seed, or out of the sentences of others.  Pure.

The same seed gives the same notes on every machine: only ``random.Random.random`` decides, whose numbers Python
promises to keep.
"""

from __future__ import annotations

import re
from bisect import bisect
from collections.abc import Iterator, Sequence
from itertools import accumulate
from random import Random

from benchmarks.peers.task import Text

# Shape of 100,000 titles and abstracts of papers: words a title 9.6 (deviation 3.1), words a description 46.5, in 2.2
# sentences.
_TITLE_WORDS = (6, 13)
_SENTENCE_WORDS = (14, 28)
_SENTENCES = (2, 2)
_UNKNOWN = 20_000
_TOPICS = 150
_WORDS_OF_A_TOPIC = 80
_OF_THE_TOPIC = 0.25  # the share of words that come from the note's topic
# Mandelbrot's form of Zipf's law; the most frequent words of English come first, as in any text.
_SHIFT = 2.7
_FREQUENT = (  # noqa: SIM905 - read as words
    "the of and to in a is that for it as was with be by on not he his but at are this have from or had an they which "
    "one you were all we can more when will there their has been who its"
).split()
_ONSETS = "b br c ch d dr f fl g gr h j k l m n p pl pr qu r s sh sl st t th tr v w z".split()  # noqa: SIM905
_VOWELS = "a e i o u ai ea io ou".split()  # noqa: SIM905
_CODAS = ["", "", "", "n", "r", "s", "l", "t", "nd", "m", "ck", "st"]
_SENTENCE = re.compile(r"(?<=[.!?]) +")


def made_notes(count: int, known: Sequence[str], seed: int = 0) -> Iterator[Text]:
    """``count`` notes of Zipf's words, each of one of 150 topics that have words of their own.

    The words are those of ``known``, by chance frequent or rare; rarest are words that nobody knows, as names are.
    """
    chance = Random(seed)  # noqa: S311 - no secrets
    words = [*_FREQUENT, *_shuffled(known, chance), *_made_words(_UNKNOWN, chance)]
    weights = list(accumulate(1 / (rank + _SHIFT) ** 1.05 for rank in range(1, len(words) + 1)))
    topics = [[_pick(known, chance) for _ in range(_WORDS_OF_A_TOPIC)] for _ in range(_TOPICS)]

    def frequent() -> str:
        return words[min(bisect(weights, chance.random() * weights[-1]), len(words) - 1)]

    def sentence(bounds: tuple[int, int], topic: Sequence[str]) -> list[str]:
        return [
            _pick(topic, chance) if chance.random() < _OF_THE_TOPIC else frequent()
            for _ in range(_between(bounds, chance))
        ]

    for number in range(count):
        place = _between((0, _TOPICS - 1), chance)
        title = " ".join(sentence(_TITLE_WORDS, topics[place])).title()
        texts = [" ".join(sentence(_SENTENCE_WORDS, topics[place])) for _ in range(_between(_SENTENCES, chance))]
        description = " ".join(f"{text.capitalize()}." for text in texts)
        yield Text(f"made-{number:07d}", title, description, f"topic {place}")


def recombined(base: Sequence[Text], count: int, seed: int = 0) -> Iterator[tuple[Text, tuple[int, int, int]]]:
    """``count`` notes out of the sentences of three of ``base`` each, with the places of these three.

    The title begins as that of the first and ends as that of the second; the description holds a sentence of the first
    and one of the third, the topic is the first's.
    """
    chance = Random(seed)  # noqa: S311 - no secrets
    for number in range(count):
        first, second, third = (_between((0, len(base) - 1), chance) for _ in range(3))
        begin, end = base[first].title.split(), base[second].title.split()
        title = " ".join(begin[: (len(begin) + 1) // 2] + end[len(end) // 2 :])
        parts = [_pick(_SENTENCE.split(base[place].description), chance) for place in (first, third)]
        text = Text(f"again-{number:07d}", title, " ".join(parts).strip(), base[first].topic)
        yield text, (first, second, third)


def _made_words(count: int, chance: Random) -> list[str]:
    words: dict[str, None] = {}
    while len(words) < count:
        syllables = _between((1, 2), chance)
        word = "".join(_pick(_ONSETS, chance) + _pick(_VOWELS, chance) for _ in range(syllables))
        words[word + _pick(_CODAS, chance)] = None
    return list(words)


def _shuffled(words: Sequence[str], chance: Random) -> list[str]:
    keys = [chance.random() for _ in words]
    return [words[place] for place in sorted(range(len(words)), key=lambda place: (keys[place], place))]


def _pick(items: Sequence[str], chance: Random) -> str:
    return items[int(chance.random() * len(items))]


def _between(bounds: tuple[int, int], chance: Random) -> int:
    """A whole number from the first to the second, both included."""
    return bounds[0] + int(chance.random() * (bounds[1] - bounds[0] + 1))
