"""This module turns runs into JSON-ready rows: metrics, tests against two other rows, and the queries that moved."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from benchmarks.significance import randomisation_p, wins_and_losses
from search.evaluate import Judgements, Run, evaluate, ndcg_at

_MOVED = 5  # queries that a row names on either side
Gains = Mapping[str, float]  # query -> nDCG@10


def scored_rows(
    runs: Mapping[str, Run], judgements: Judgements, relevant_from: int, against: str, types: Mapping[str, str]
) -> list[dict[str, Any]]:
    """A row for each ranking, in the order of ``runs``; ``against`` names the one that all others are tested against.

    p-values are those of ``randomisation_p`` on nDCG@10, None where there is nothing to test against.  "gained most"
    and "lost most" are queries with their change in nDCG@10 from the row above.
    """
    gains = {name: gains_of(run, judgements) for name, run in runs.items()}
    above = dict(pairwise(reversed(list(runs))))
    rows = []
    for name, run in runs.items():
        metrics = evaluate(run, judgements, relevant_from)
        row: dict[str, Any] = {
            "ranking": name,
            "ndcg@10": round(metrics.ndcg, 4),
            "recall@10": round(metrics.recall, 4),
            "mrr": round(metrics.mrr, 4),
            f"p against {against}": None if name == against else _p(gains[name], gains[against]),
            "p against the row above": _p(gains[name], gains[above[name]]) if name in above else None,
        }
        if types:
            row["by type"] = {kind: round(mean, 4) for kind, mean in by_type(gains[name], types).items()}
        if name in above:
            gained, lost = wins_and_losses(gains[above[name]], gains[name], _MOVED)
            row["gained most"] = {query: round(change, 4) for query, change in gained.items()}
            row["lost most"] = {query: round(change, 4) for query, change in lost.items()}
        rows.append(row)
    return rows


def gains_of(run: Run, judgements: Judgements) -> dict[str, float]:
    """nDCG@10 of every judged query."""
    return {
        query: ndcg_at([note_id for note_id, _ in run.get(query, ())], grades) for query, grades in judgements.items()
    }


def by_type(gains: Gains, types: Mapping[str, str]) -> dict[str, float]:
    """Mean nDCG@10 of each type of query, in the order in which ``types`` names them first."""
    groups: dict[str, list[float]] = {}
    for query, kind in types.items():
        groups.setdefault(kind, []).append(gains[query])
    return {kind: sum(values) / len(values) for kind, values in groups.items()}


def moves_text(runs: Mapping[str, Run], judgements: Judgements, texts: Mapping[str, str], count: int) -> str:
    """The ``count`` queries that gained and lost most in each row from the row above, with their texts, for people."""
    gains = {name: gains_of(run, judgements) for name, run in runs.items()}
    lines = []
    for before, after in pairwise(runs):
        lines.append(f"\n{after}, from {before}:")
        for moved in wins_and_losses(gains[before], gains[after], count):
            lines += [
                f"  {change:+.3f} to {gains[after][query]:.3f}  {query}: {texts.get(query, '')}"
                for query, change in moved.items()
            ]
    return "\n".join(lines)


def _p(first: Gains, second: Gains) -> float:
    return round(randomisation_p([first[query] - second[query] for query in first]), 4)
