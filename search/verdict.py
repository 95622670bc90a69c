"""This module holds what is told of a note's place in a ranking, and the sentence that it comes down to; pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from search.hits import Grade

PAGE = 10  # notes that a search shows unless it is asked for more
_ADVISED = 3  # words that one sentence can recommend
_LONGEST = 40  # letters of a word that are shown


@dataclass(frozen=True, slots=True)
class Word:
    """A word of the query as it was typed, stop words left out, and where the note holds it.

    ``notes`` counts the notes of the index that hold it.  ``added`` is its part of the note's BM25 score; a prefix or
    fuzzy word adds what no other word of the query stands for.
    """

    text: str
    notes: int
    fields: tuple[str, ...]  # in which of the ranked fields the note holds it; () where the note lacks it
    added: float

    @property
    def shown(self) -> str:
        """The word, cut where it is endless."""
        return self.text if len(self.text) <= _LONGEST else self.text[:_LONGEST] + "…"


@dataclass(frozen=True, slots=True)
class Place:
    """A note's place in one leg: among the ``of`` notes that the leg can rank, exactly.

    ``rank`` is None where the leg has nothing on the note.  ``counts`` is False where the note stands beyond what the
    leg hands on to the ranking.
    """

    rank: int | None
    of: int
    score: float
    counts: bool


@dataclass(frozen=True, slots=True)
class Standing:
    """A note among the others: its rank and score in the ranking, and every figure behind them.

    ``rank`` and ``score`` are None where the ranking does not hold the note.  ``words`` are those of the query's that
    the note holds.  ``lexical`` is its BM25, ``letters`` the BM25 of runs of letters, ``semantic`` its cosine and
    ``late`` its likeness word by word; ``related`` is its mean likeness to the first ten notes, itself left out, in
    standard deviations above a random pair.  Each is None where the index or the query has no such figure.
    """

    rank: int | None
    id: str
    title: str
    score: float | None
    words: tuple[str, ...]
    lexical: float | None
    letters: float | None
    semantic: float | None
    late: float | None
    related: float | None


@dataclass(frozen=True, slots=True)
class Nearest:
    """The word of the note that comes nearest to a word of the query, as the encoder reads both, with their likeness
    (a cosine, above what words of the collection have in common)."""

    word: str
    found: str
    likeness: float


@dataclass(frozen=True, slots=True)
class Why:
    """Why a note stands where it stands.

    Where a constraint shuts the note out, ``unmet`` and ``excluded`` say which, and everything else is told of the
    query without them.  ``ahead`` holds the first note, the tenth, and the three directly above, as far as they are
    ahead, best first.  ``background`` and ``late_background`` are what a note has on average.
    """

    query: str
    note: Standing
    of: int  # how many notes the ranking holds
    unmet: tuple[str, ...]  # demands of the query that the note does not meet, as one types them
    excluded: tuple[str, ...]  # exclusions of the query that name the note, likewise
    words: tuple[Word, ...]
    lexical: Place | None  # None, like the next, where nothing of the query ranks
    semantic: Place | None
    background: float | None
    late_background: float | None
    nearest: tuple[Nearest, ...]  # in the order of the query
    ahead: tuple[Standing, ...]
    grade: Grade | None  # how well the notes answer the query at all

    @property
    def shut_out(self) -> bool:
        """Whether a constraint of the query keeps the note from being found."""
        return bool(self.unmet or self.excluded)

    @property
    def lacks(self) -> tuple[str, ...]:
        """The query's words that the note does not hold."""
        return tuple(word.text for word in self.words if not word.fields)

    @property
    def conclusion(self) -> str:
        """One sentence: where the note stands, with which figures, and what would lift it."""
        if self.shut_out:
            return _exclusion(self)
        if self.semantic is None:
            return _without_words(self)
        return f"{_position(self)}: {_figures(self)}{_comparison(self)}{_advice(self)}."

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready values."""
        return {
            "query": self.query,
            "id": self.note.id,
            "title": self.note.title,
            "rank": None if self.shut_out else self.note.rank,
            "of": self.of,
            "score": None if self.shut_out else _rounded(self.note.score),
            "shut_out": {
                "unmet": list(self.unmet),
                "excluded": list(self.excluded),
                "rank_without": self.note.rank,
            }
            if self.shut_out
            else None,
            "grade": self.grade,
            "words": [
                {**asdict(word), "fields": list(word.fields), "added": _rounded(word.added)} for word in self.words
            ],
            "lacks": list(self.lacks),
            "lexical": _place_dict(self.lexical),
            "letters": _rounded(self.note.letters),
            "semantic": _place_dict(self.semantic),
            "background": _rounded(self.background),
            "late": _rounded(self.note.late),
            "late_background": _rounded(self.late_background),
            "related": _rounded(self.note.related),
            "nearest": [{**asdict(near), "likeness": _rounded(near.likeness)} for near in self.nearest],
            "ahead": [
                {
                    name: list(value) if isinstance(value, tuple) else _rounded(value) if name in _SCORES else value
                    for name, value in asdict(other).items()
                }
                for other in self.ahead
            ],
            "conclusion": self.conclusion,
        }


_SCORES = ("score", "lexical", "letters", "semantic", "late", "related")


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)


def _place_dict(place: Place | None) -> dict[str, Any] | None:
    return None if place is None else {**asdict(place), "score": _rounded(place.score)}


def _exclusion(why: Why) -> str:
    reasons = []
    if why.unmet:
        reasons.append(f"it does not meet {listed(why.unmet)}")
    if why.excluded:
        reasons.append(f"{listed(why.excluded)} {'excludes' if len(why.excluded) == 1 else 'exclude'} it")
    without = f"; without that it would be rank {why.note.rank} of {why.of}" if why.note.rank else ""
    return f"The query shuts it out: {' and '.join(reasons)}{without}."


def _without_words(why: Why) -> str:
    if why.note.rank is None:
        return "The query is empty: it finds no note."
    return (
        "The query has no word to rank by: it lists the notes that it allows in their own order, "
        f"and this one is number {why.note.rank} of {why.of}."
    )


def _position(why: Why) -> str:
    rank = why.note.rank
    if rank is None:
        place = f"it is not among the {why.of} notes that the ranking holds"
    else:
        place = f"it is first of {why.of}" if rank == 1 else f"it is rank {rank} of {why.of}"
    return f"No note answers this well, and {place}" if why.grade == "weak" else place[0].upper() + place[1:]


def _figures(why: Why) -> str:
    note = why.note
    parts = []
    if why.words:
        held, asked = len(note.words), len(why.words)
        shown = "all" if held == asked > 1 else f"{held or 'none'} of"
        parts.append(f"{shown} {asked} word{'s' if asked > 1 else ''}")
    parts += [f"meaning {figure(note.semantic)}"] if note.semantic is not None else []
    parts += [f"word by word {figure(note.late)}"] if note.late is not None else []
    return ", ".join(parts)


def _rival(why: Why) -> Standing | None:
    """The note to be measured by: the tenth from outside the first page, the first from within it."""
    if not why.ahead:
        return None
    return next((other for other in why.ahead if other.rank == PAGE), why.ahead[0])


def _comparison(why: Why) -> str:
    """The same figures, in the same order, of the note to be measured by."""
    rival = _rival(why)
    if rival is None:
        values = [why.background, why.late_background]
        return f", where a note on average has {listed([figure(value) for value in values if value is not None])}"
    parts = [str(len(rival.words) or "none")] if why.words else []
    parts += [figure(value) for value in (rival.semantic, rival.late) if value is not None]
    return f", where the {'tenth' if rival.rank == PAGE else 'first'} has {listed(parts)}"


def _advice(why: Why) -> str:
    rival = _rival(why)
    if rival is None:
        return ""
    if not why.words:
        return "; no word of the query counts, so meaning alone decides"
    lacking = [word for word in why.words if not word.fields]
    # A prefix or a fuzzy word is nothing to write into a note.
    known = [word for word in lacking if word.notes and word.text[-1] != "*" and "~" not in word.text]
    unknown = [word for word in lacking if not word.notes]
    nowhere = f"no note holds {listed(_quoted(unknown[:_ADVISED]), 'or')}" if unknown else ""
    if known:
        # First what the notes ahead hold, then what is rare, which tells most.
        ahead = {word for other in why.ahead for word in other.words}
        best = sorted(known, key=lambda word: (word.text not in ahead, word.notes))[:_ADVISED]
        write = f"; if that is its subject, write {listed(_quoted(best))} in its title or description"
        return write + (f" ({nowhere})" if nowhere else "")
    if nowhere:
        return f"; {nowhere}: check the spelling"
    outside = [word for word in why.words if "title" not in word.fields]
    if outside and _is_behind(why.note.lexical, rival.lexical):
        return f"; words count most in a title, and its title lacks {listed(_quoted(outside[:_ADVISED]))}"
    fewest = min(word.notes for word in why.words)
    if fewest > PAGE:
        each = "its word stands in" if len(why.words) == 1 else "each of its words stands in at least"
        return f"; the query is broad ({each} {fewest} notes): ask with a rarer word"
    if _is_behind(why.note.semantic, rival.semantic) or _is_behind(why.note.late, rival.late):
        return "; let its title or description say more plainly what the query asks"
    if _is_behind(why.note.related, rival.related):
        return "; it is less related to the first ten than that one"
    if _is_behind(why.note.lexical, rival.lexical):
        return f"; its words weigh {figure(why.note.lexical or 0)} where that one's weigh {figure(rival.lexical or 0)}"
    return "; no figure by itself sets it behind, their mixture does"


def _is_behind(own: float | None, other: float | None) -> bool:
    return own is not None and other is not None and own < other


def figure(value: float) -> str:
    """A number with two digits, and no "-0.00"."""
    return f"{round(value, 2) + 0.0:.2f}"


def listed(parts: Sequence[str], last: str = "and") -> str:
    """Parts with commas and, before the last, a word."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} {last} {parts[-1]}"


def _quoted(words: Iterable[Word]) -> list[str]:
    return [f"“{word.shown}”" for word in words]
