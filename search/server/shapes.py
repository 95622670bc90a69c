"""This module describes the answers of the API for OpenAPI; they are made elsewhere, and not validated at run time."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

Grade = Literal["strong", "fair", "weak"]


class WrongParameter(BaseModel):
    """A parameter that is not what it should be."""

    parameter: str
    problem: str


class Problem(BaseModel):
    """What went wrong (RFC 9457)."""

    type: str = Field(description="about:blank, or a URN that names the kind of problem.")
    title: str
    status: int
    detail: str = Field(description="One sentence for people, and what to do.")
    column: int | None = Field(None, description="Where the query breaks the grammar, from 1.")
    nearest: list[str] | None = Field(None, description="Up to three ids that look like the one that no note has.")
    errors: list[WrongParameter] | None = None


class Snippet(BaseModel):
    """The best words of a description; the spans [begin, end) in it hold words of the query."""

    text: str
    spans: list[tuple[int, int]]


class Leg(BaseModel):
    """What one ranking said of a hit."""

    rank: int = Field(ge=1)
    score: float
    terms: dict[str, float] | None = Field(None, description="With explain: what each matched term added.")


class Hit(BaseModel):
    """A note that was found."""

    rank: int = Field(ge=1)
    id: str
    title: str
    topic: str
    score: float
    snippet: Snippet
    legs: dict[Literal["lexical", "semantic"], Leg]


class Found(BaseModel):
    """Hits, best first."""

    hits: list[Hit]
    grade: Grade | None = Field(description="How well the notes answer; null where that is unknown.")
    suggestion: str | None = Field(description="The query as it was meant, where something of it is misspelt.")
    generation: str


class Neighbour(Hit):
    """A related note; its score is likeness, in standard deviations above a random pair of notes."""

    grade: Grade
    reason: str
    bridge: bool = Field(description="Whether it is marked as a bridge to another topic.")
    linked: bool = Field(description="Whether one of the two notes links to the other.")


class Related(BaseModel):
    """The notes related to a note, best first."""

    note: str
    related: list[Neighbour]
    generation: str


class Note(BaseModel):
    """A note in full."""

    id: str
    title: str
    description: str
    topic: str
    cluster: str
    tags: list[str]
    date: str
    links: list[str]
    source: str
    line: int


class Notes(BaseModel):
    """A page of all notes, in their order."""

    notes: list[Note]
    offset: int
    total: int
    generation: str


class Topic(BaseModel):
    """A topic with how many notes it has."""

    topic: str
    notes: int


class Topics(BaseModel):
    """Topics, in the order of their first note; ``total`` counts all notes, those without a topic too."""

    topics: list[Topic]
    total: int
    generation: str


class Freshness(BaseModel):
    """How the notes on disk differ from those in the index."""

    fresh: bool | None = Field(description="null where the notes cannot be read.")
    added: list[str]
    changed: list[str]
    removed: list[str]
    checked: str = Field(description="When this was found out, ISO 8601.")
    problem: str | None


class Info(BaseModel):
    """What an index holds, and what it was built from and with."""

    generation: str
    created: str
    notes: int
    topics: dict[str, int]
    inputs: list[str]
    sources: list[dict[str, Any]]
    language: str
    terms: int
    encoder: dict[str, Any]
    tuning: dict[str, Any] | None
    approximate: bool
    tokens: bool
    whitening: dict[str, Any] | None
    bytes: int
    freshness: Freshness
    problem: str | None = Field(description="Why the newest generation or its encoder cannot be used.")


class Word(BaseModel):
    """A word of a query, and where the note holds it."""

    text: str
    notes: int
    fields: list[str]
    added: float


class Place(BaseModel):
    """A note's place in one leg."""

    rank: int | None
    of: int
    score: float
    counts: bool


class Standing(BaseModel):
    """A note ahead, with the figures behind its rank."""

    rank: int | None
    id: str
    title: str
    score: float | None
    words: list[str]
    lexical: float | None
    letters: float | None
    semantic: float | None
    late: float | None
    related: float | None


class Nearest(BaseModel):
    """The word of the note that comes nearest to a word of the query."""

    word: str
    found: str
    likeness: float


class ShutOut(BaseModel):
    """Which constraints of the query keep a note out."""

    unmet: list[str]
    excluded: list[str]
    rank_without: int | None


class Why(BaseModel):
    """Why a note stands where it stands."""

    query: str
    id: str
    title: str
    rank: int | None
    of: int
    score: float | None
    shut_out: ShutOut | None
    grade: Grade | None
    words: list[Word]
    lacks: list[str]
    lexical: Place | None
    letters: float | None
    semantic: Place | None
    background: float | None
    late: float | None
    late_background: float | None
    related: float | None
    nearest: list[Nearest]
    ahead: list[Standing]
    conclusion: str


class Suggested(BaseModel):
    """What a query may become."""

    completions: list[str] = Field(description="What its last word may become, the most useful first.")
    suggestion: str | None = Field(description="The query as it was meant, where something of it is misspelt.")
    generation: str


class Health(BaseModel):
    """The server runs."""

    status: Literal["ok"]
    version: str


class Ready(BaseModel):
    """The server answers every query."""

    status: Literal["ready"]
    generation: str
