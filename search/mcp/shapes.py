"""This module says what the tools give back; the descriptions are what an assistant reads of it."""

from __future__ import annotations

from urllib.parse import quote

from pydantic import BaseModel, Field

from indexer import Note
from search.hits import Grade, Hit, Hits
from search.neighbours import Neighbour

_URI = Field(description="The address of the note as a resource.")
_ID = Field(description="The id of the note, for get_note and related.")


class FoundNote(BaseModel):
    """A note that was found."""

    rank: int
    id: str = _ID
    title: str
    topic: str = Field(description="Its topic, or an empty text.")
    score: float = Field(description="Its place in this ranking, where the best has 1; no measure across queries.")
    text: str = Field(description="The stretch of its description that shows best why it was found.")
    matched: list[str] = Field(description="The words of that text which the query asked for.")
    uri: str = _URI


class SearchResult(BaseModel):
    """What a search found, best first."""

    grade: Grade | None = Field(
        description="How well the notes answer: strong, fair, or weak where no note answers and these are merely the "
        "closest.  Null where only words were compared, or the notes are too few to say."
    )
    suggestion: str | None = Field(description="The query as it was read, where words of it looked misspelt.")
    hits: list[FoundNote]


class RelatedNote(BaseModel):
    """A note that is related to another."""

    rank: int
    id: str = _ID
    title: str
    score: float = Field(description="Likeness, in standard deviations above a random pair of notes.")
    grade: Grade = Field(description="How closely the two are related.")
    reason: str = Field(description="Why the two are related.")
    another_topic: bool = Field(description="Whether it is a bridge to another topic.")
    linked: bool = Field(description="Whether one of the two links to the other already.")
    uri: str = _URI


class RelatedResult(BaseModel):
    """The notes related to a note, best first; few or none where nothing is near."""

    id: str = Field(description="The id of the note that was asked about.")
    title: str
    related: list[RelatedNote]


class WholeNote(BaseModel):
    """A note with all that is indexed of it."""

    id: str
    title: str
    description: str
    topic: str
    cluster: str
    tags: list[str]
    date: str
    links: list[str] = Field(description="The ids of the notes that it links to.")
    source: str = Field(description="The file that it stands in, and the line.")
    uri: str = _URI


class Topic(BaseModel):
    """A topic, and how many notes it has."""

    topic: str
    notes: int


class TopicList(BaseModel):
    """The topics of the notes, those with most notes first."""

    notes: int = Field(description="How many notes there are in all.")
    without_topic: int = Field(description="How many of them have no topic.")
    topics: list[Topic]


def uri_of(note_id: str) -> str:
    """The address of a note; every sign of an id that means something in an address is encoded."""
    return f"note://{quote(note_id, safe='')}"


def search_result(hits: Hits) -> SearchResult:
    """Hits as a search gives them back."""
    return SearchResult(grade=hits.grade, suggestion=hits.suggestion, hits=list(map(_found, hits)))


def _found(hit: Hit) -> FoundNote:
    matched = dict.fromkeys(hit.snippet.text[begin:end] for begin, end in hit.snippet.spans)
    return FoundNote(
        rank=hit.rank,
        id=hit.note.id,
        title=hit.note.title,
        topic=hit.note.topic,
        score=round(hit.score, 4),
        text=hit.snippet.text,
        matched=list(matched),
        uri=uri_of(hit.note.id),
    )


def related_note(rank: int, found: Neighbour) -> RelatedNote:
    """One of a note's list."""
    return RelatedNote(
        rank=rank,
        id=found.id,
        title=found.title,
        score=round(found.score, 4),
        grade=found.grade,
        reason=found.reason,
        another_topic=found.bridge,
        linked=found.linked,
        uri=uri_of(found.id),
    )


def whole_note(note: Note) -> WholeNote:
    """A note with all that is indexed of it."""
    return WholeNote(
        id=note.id,
        title=note.title,
        description=note.description,
        topic=note.topic,
        cluster=note.cluster,
        tags=list(note.tags),
        date=note.date,
        links=list(note.links),
        source=f"{note.source}:{note.line}",
        uri=uri_of(note.id),
    )


def note_page(note: Note) -> str:
    """A note as a page of Markdown."""
    details = {"Topic": note.topic, "Tags": ", ".join(note.tags), "Date": note.date, "From": note.source}
    facts = [f"{name}: {value}" for name, value in details.items() if value]
    return "\n\n".join(part for part in (f"# {note.title}", note.description, "  \n".join(facts)) if part) + "\n"
