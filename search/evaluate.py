"""This module scores rankings against judgements: files in, numbers out, no index in between.

Metrics are those of trec_eval: linear gain, every judged query in the denominator whether or not it was answered.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from indexer import JudgementError, replace_text

Judgements = Mapping[str, Mapping[str, int]]  # query id -> note id -> grade
Run = Mapping[str, Sequence[tuple[str, float]]]  # query id -> (note id, score), best first

RUN_DEPTH = 100


@dataclass(frozen=True, slots=True)
class Metrics:
    """Means over the judged queries, each from 0 to 1."""

    ndcg: float  # at 10
    recall: float  # at 10
    mrr: float


def ndcg_at(ranking: Sequence[str], grades: Mapping[str, int], depth: int = 10) -> float:
    """Normalised discounted cumulative gain with linear gain (Järvelin and Kekäläinen 2002, as in trec_eval).

    DCG = sum over ranks r = 1 to ``depth`` of grade / log2(r + 1); the ideal order comes from ``grades`` alone.
    0 where nothing is relevant.  Grades below 0 count as 0.
    """
    ideal = sorted((grade for grade in grades.values() if grade > 0), reverse=True)[:depth]
    gains = [max(grades.get(note_id, 0), 0) for note_id in ranking[:depth]]
    return _discounted(gains) / _discounted(ideal) if ideal else 0.0


def recall_at(ranking: Sequence[str], grades: Mapping[str, int], depth: int = 10, relevant_from: int = 1) -> float:
    """The share of relevant notes (grade at least ``relevant_from``) in the first ``depth``; 0 where none is."""
    relevant = {note_id for note_id, grade in grades.items() if grade >= relevant_from}
    return len(relevant.intersection(ranking[:depth])) / len(relevant) if relevant else 0.0


def reciprocal_rank(ranking: Sequence[str], grades: Mapping[str, int], relevant_from: int = 1) -> float:
    """One over the rank of the first relevant note; 0 where none was found."""
    for rank, note_id in enumerate(ranking, start=1):
        if grades.get(note_id, 0) >= relevant_from:
            return 1 / rank
    return 0.0


def evaluate(run: Run, judgements: Judgements, relevant_from: int = 1) -> Metrics:
    """Mean metrics of a run over every judged query; a query that the run lacks scores 0.

    Raises JudgementError when nothing is judged.
    """
    if not judgements:
        raise JudgementError("the judgements hold no query; a line is: query-id, note-id, grade, separated by tabs.")
    rankings = {query: [note_id for note_id, _ in run.get(query, ())] for query in judgements}

    def mean(values: Iterable[float]) -> float:
        return math.fsum(values) / len(judgements)

    return Metrics(
        ndcg=mean(ndcg_at(rankings[query], grades) for query, grades in judgements.items()),
        recall=mean(recall_at(rankings[query], grades, 10, relevant_from) for query, grades in judgements.items()),
        mrr=mean(reciprocal_rank(rankings[query], grades, relevant_from) for query, grades in judgements.items()),
    )


def read_queries(path: Path) -> dict[str, str]:
    """Query id -> text, from BEIR's queries.jsonl (``_id`` and ``text``), in the order of the file.

    Raises JudgementError with path and line.
    """
    queries: dict[str, str] = {}
    for number, line in _lines(path):
        try:
            record = json.loads(line)
            query_id, text = record["_id"], record["text"]
            if not isinstance(query_id, str) or not isinstance(text, str):
                raise ValueError
        except (ValueError, KeyError, TypeError, RecursionError):
            raise JudgementError(f'{path}:{number}: expected an object with the texts "_id" and "text".') from None
        if query_id in queries:
            raise JudgementError(f"{path}:{number}: the query {query_id} stands twice.")
        queries[query_id] = text
    if not queries:
        raise JudgementError(f"{path}: holds no query.")
    return queries


def read_judgements(path: Path) -> dict[str, dict[str, int]]:
    """Query id -> note id -> grade, from BEIR's qrels.tsv (three columns and a header) or TREC's four columns.

    Raises JudgementError with path and line.
    """
    judgements: dict[str, dict[str, int]] = {}
    for number, line in _lines(path):
        cells = line.split("\t") if "\t" in line else line.split()
        if len(cells) == 4:
            cells = [cells[0], *cells[2:]]
        if number == 1 and cells[-1].strip().lower() in ("score", "grade", "relevance"):
            continue
        try:
            query_id, note_id, grade = (cell.strip() for cell in cells)
            judgements.setdefault(query_id, {})[note_id] = int(grade)
        except ValueError:
            raise JudgementError(f"{path}:{number}: expected query-id, note-id and a whole number as grade.") from None
    if not judgements:
        raise JudgementError(f"{path}: holds no judgement.")
    return judgements


def write_run(path: Path, run: Run, tag: str) -> None:
    """Write a run as TREC does: query, Q0, note, rank, score, tag; to a depth of ``RUN_DEPTH``.

    Evaluators sort by score and break ties in their own way, so a score that is not below the one before it is
    lowered to a millionth less.  Raises JudgementError where the file cannot be written.
    """
    try:
        replace_text(path, _run_lines(run, tag))
    except OSError as error:
        raise JudgementError(f"{path} cannot be written ({error.strerror}).") from error


def _run_lines(run: Run, tag: str) -> Iterator[str]:
    for query_id, ranking in run.items():
        millionths = 0
        for rank, (note_id, score) in enumerate(ranking[:RUN_DEPTH], start=1):
            exact = round(score * 1e6)
            millionths = exact if rank == 1 else min(exact, millionths - 1)
            yield f"{query_id} Q0 {note_id} {rank} {millionths / 1e6:.6f} {tag}\n"


def _discounted(gains: Sequence[int]) -> float:
    return math.fsum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains, start=1))


def _lines(path: Path) -> Iterable[tuple[int, str]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise JudgementError(f"{path}: cannot be read ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        raise JudgementError(f"{path}: is not UTF-8 text.") from error
    return [(number, line) for number, line in enumerate(text.split("\n"), start=1) if line.strip()]
