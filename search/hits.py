"""This module says what a search gives back: hits, and the rankings that they were taken from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from indexer import Allowed, Leg, Note, Vectors, WeightedTokens
from search.legs import Ranking
from search.query import Query
from search.snippets import Snippet
from search.spelling import Meant

Mode = Literal["lexical", "semantic", "hybrid"]
Grade = Literal["strong", "fair", "weak"]
MODES: tuple[Mode, ...] = get_args(Mode)


@dataclass(frozen=True, slots=True)
class LegScore:
    """What one leg said of a hit.  ``terms`` maps the matched terms to what each added (lexical leg only)."""

    rank: int
    score: float
    terms: Mapping[str, float] | None = None


@dataclass(frozen=True, slots=True, repr=False)
class Hit:
    """One result.  ``legs`` lacks a leg that did not retrieve the note."""

    rank: int
    note: Note
    score: float
    snippet: Snippet
    legs: Mapping[str, LegScore]

    def __repr__(self) -> str:
        return f"<Hit {self.rank}: {self.note.id!r}, score {self.score:.2f}>"

    def as_dict(self, explain: bool = False) -> dict[str, Any]:
        """JSON-ready values; with ``explain``, each lexical term and what it added."""
        legs: dict[str, dict[str, Any]] = {}
        for name, leg in self.legs.items():
            legs[name] = {"rank": leg.rank, "score": round(leg.score, 6)}
            if explain and leg.terms is not None:
                legs[name]["terms"] = {term: round(value, 6) for term, value in leg.terms.items()}
        return {
            "rank": self.rank,
            "id": self.note.id,
            "title": self.note.title,
            "topic": self.note.topic,
            "score": round(self.score, 6),
            "snippet": {"text": self.snippet.text, "spans": [list(span) for span in self.snippet.spans]},
            "legs": legs,
        }


class Hits(list[Hit]):
    """Hits, best first.

    ``grade`` says how well the notes answer the query: "strong", "fair", or "weak" where none answers it and these
    are merely the closest; None where that is unknown (no vectors asked, or a collection too small to say).
    ``suggestion`` is the query with its misspelt words as they were meant, or None where every word can stay; words
    are looked for in both spellings, and the meaning is that of the suggestion.
    """

    def __init__(self, hits: Iterable[Hit] = (), grade: Grade | None = None, suggestion: str | None = None) -> None:
        super().__init__(hits)
        self.grade = grade
        self.suggestion = suggestion

    def as_dict(self, explain: bool = False) -> dict[str, Any]:
        """JSON-ready values."""
        hits = [hit.as_dict(explain) for hit in self]
        return {"hits": hits, "grade": self.grade, "suggestion": self.suggestion}

    def __repr__(self) -> str:
        facts = [str(len(self)), *filter(None, [self.grade]), *(f"first {hit.note.id!r}" for hit in self[:1])]
        return f"<Hits: {', '.join(facts)}>"

    def _repr_html_(self) -> str:
        """The hits as a table, for a notebook; their matched words are marked."""
        from search.display import SAID
        from search.notebook import cell, marked, table, titled

        said = [f"Did you mean: {self.suggestion}"] if self.suggestion else []
        if not self:
            said.append("No note matches.")
        elif self.grade:
            said.append(SAID[self.grade])
        rows = [
            (
                cell(hit.rank),
                titled(hit.note.title, hit.note.id, hit.note.topic),
                cell(f"{hit.score:.2f}"),
                marked(hit.snippet),
            )
            for hit in self
        ]
        return table(("", "note", "score", "best words"), rows, " · ".join(said))


@dataclass(frozen=True, slots=True)
class Answer:
    """All that a query led to, before the first ``k`` of it become hits.

    ``ranking`` lists every note that was ranked, best first; ``legs`` holds the rankings it was made of, and is empty
    where nothing of the query ranks.
    """

    query: Query
    allowed: Allowed | None  # None where every note may appear
    terms: Mapping[int, float]  # the query's terms that the vocabulary knows, by number, with what each counts
    vector: Vectors | None  # the query's, None where no vectors were asked
    tokens: WeightedTokens | None  # the query's, None where none were compared
    asked: Mapping[str, Leg]  # how notes are scored by "words", by "runs" of letters and by "meaning", what was asked
    legs: Mapping[str, Ranking]
    ranking: Ranking
    grade: Grade | None = None
    meant: Meant = field(default_factory=dict)  # misspelt words of the query, and how they were read
