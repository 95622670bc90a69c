"""This module finds judged collections: the owner's notes, and BEIR folders where they are at hand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from benchmarks.results import ROOT
from indexer import evenly_spread
from search.evaluate import Judgements, read_judgements, read_queries

JUDGED_NOTES = ROOT / "benchmarks" / "judgements"
_DEV = JUDGED_NOTES / "dev"
_NOTES_RELEVANT_FROM = 4  # the sum of two assessors' grades: both, on average, call it clearly relevant

Split = Literal["test", "train", "dev"]


@dataclass(frozen=True, slots=True)
class Judged:
    """A collection with judged queries, each of which has a note with a grade above 0."""

    name: str
    notes: Path  # what build_index reads
    queries: Path  # BEIR's queries.jsonl
    judgements: Judgements
    relevant_from: int = 1  # the least grade that recall and MRR count
    related: Judgements = field(default_factory=dict)  # the same for related notes; {} where they are not judged

    def texts(self) -> dict[str, str]:
        """The judged queries, in the order of their file."""
        return {query: text for query, text in read_queries(self.queries).items() if query in self.judgements}

    def types(self) -> Mapping[str, str]:
        """The type of each judged query; {} where the file names none."""
        records = map(json.loads, self.queries.read_text(encoding="utf-8").splitlines())
        return {
            record["_id"]: record["type"] for record in records if "type" in record and record["_id"] in self.judgements
        }


def owner_notes() -> Judged:
    """The owner's notes with the 60 judged queries and 41 judged lists of related notes."""
    return Judged(
        "notes",
        ROOT / "data",
        _DEV / "queries.jsonl",
        _answerable(read_judgements(_DEV / "qrels.tsv")),
        _NOTES_RELEVANT_FROM,
        read_judgements(_DEV / "related.tsv"),
    )


def beir(folder: Path, split: Split, cache: Path, limit: int | None = None) -> Judged | None:
    """The collection in a BEIR folder (corpus.jsonl, queries.jsonl, qrels/test.tsv), or None where a file is not there.

    The judgements may be qrels.tsv, too; ``split`` train and dev then read queries.train.jsonl and qrels.train.tsv, and
    so on.  ``limit`` keeps that many judged queries, evenly spread over the file.  The notes are written into
    ``cache``.
    """
    part = "" if split == "test" else f".{split}"
    layouts = (
        (folder / f"queries{part}.jsonl", folder / f"qrels{part}.tsv"),
        (folder / "queries.jsonl", folder / "qrels" / f"{split}.tsv"),  # as BEIR gives them away
    )
    found = next((pair for pair in layouts if all(path.is_file() for path in pair)), None)
    if found is None or not (folder / "corpus.jsonl").is_file():
        return None
    queries, qrels = found
    judgements = _answerable(read_judgements(qrels))
    known = [query for query in read_queries(queries) if query in judgements]
    if limit is not None:
        known = [known[place] for place in evenly_spread(len(known), limit).tolist()]
    return Judged(
        folder.name, adapted(folder, cache), queries, judgements if limit is None else {q: judgements[q] for q in known}
    )


def adapted(folder: Path, cache: Path) -> Path:
    """The collection as notes: BEIR allows documents without a title, which take their first words for one."""
    target = cache / f"{folder.name}.jsonl"
    cache.mkdir(parents=True, exist_ok=True)
    with target.open("w", encoding="utf-8") as file:
        for line in (folder / "corpus.jsonl").read_text(encoding="utf-8").splitlines():
            record = json.loads(line)
            title = record["title"].strip() or " ".join(record["text"].split()[:12]) or "untitled"
            file.write(json.dumps({"id": record["_id"], "title": title, "text": record["text"]}) + "\n")
    return target


def _answerable(judgements: Judgements) -> Judgements:
    return {query: grades for query, grades in judgements.items() if any(grade > 0 for grade in grades.values())}
