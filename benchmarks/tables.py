"""This module shows the record of the quality bench as the README's tables.  Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.others import PUBLISHED
from benchmarks.results import table

PRODUCT = "Kindred"
LEXICAL, SEMANTIC, HYBRID = (f"{PRODUCT}, {mode}" for mode in ("lexical", "semantic", "hybrid"))
TUNED_PRODUCT = f"{PRODUCT} tuned"
TUNED = f"{TUNED_PRODUCT}, hybrid"
RELATED = f"{PRODUCT}, related"
_SIGNIFICANT = 0.05

Record = Mapping[str, Any]


def quality_text(record: Record) -> str:
    """Every table of the record, with a line above each that says how to read it."""
    collections: Mapping[str, Record] = record["collections"]
    parts = [
        "nDCG@10 of every ranking; ▾ is worse than hybrid, ▴ better (p < 0.05), no mark: no difference was shown:",
        _rankings(collections),
    ]
    if any(set(published.figures) & set(collections) for published in PUBLISHED):
        parts.append(_sources(collections))
    for name, collection in collections.items():
        if "by type" in collection["rows"][0]:
            parts += [
                f"The same by type of query ({name}), and the best of the rows above that are not Kindred's:",
                _types(collection["rows"]),
            ]
        if collection["related"]:
            parts += [f"Related notes ({name}, {collection['related judged']} lists):", _related(collection["related"])]
    parts += _grade(record["grade"])
    return "\n\n".join(parts)


def detail_text(rows: Sequence[Record], against: str) -> str:
    """All metrics and p-values of one collection, for the terminal."""
    header = ["ranking", "nDCG@10", "recall@10", "MRR", "p, row above", "p, " + against]
    return table(
        header,
        [
            [
                row["ranking"],
                *(f"{row[metric]:.3f}" for metric in ("ndcg@10", "recall@10", "mrr")),
                *(_p_text(row[name]) for name in ("p against the row above", f"p against {against}")),
            ]
            for row in rows
        ],
    )


def _rankings(collections: Mapping[str, Record]) -> str:
    by_name = {name: {row["ranking"]: row for row in collection["rows"]} for name, collection in collections.items()}
    rankings = dict.fromkeys(ranking for rows in by_name.values() for ranking in rows)
    rows = []
    for ranking in rankings:
        cells = [_cell(found[ranking], found[HYBRID]) if ranking in found else "" for found in by_name.values()]
        rows.append([_bold(ranking, ranking == HYBRID), *(_bold(cell, ranking == HYBRID) for cell in cells)])
    for published in PUBLISHED:
        if set(published.figures) & set(collections):
            cells = [f"*{published.figures[name]:.3f}*" if name in published.figures else "" for name in collections]
            rows.append([f"*published: {published.system}*", *cells])
    return table(["ranking", *(f"{name} ({found['judged']})" for name, found in collections.items())], rows)


def _sources(collections: Mapping[str, Record]) -> str:
    shown = [published for published in PUBLISHED if set(published.figures) & set(collections)]
    sources = dict.fromkeys(published.source for published in shown)
    return "Published figures are taken over, not measured here: " + "; ".join(sources) + "."


def _types(rows: Sequence[Record]) -> str:
    found = {row["ranking"]: row["by type"] for row in rows}
    own = [name for name in (LEXICAL, SEMANTIC, HYBRID, TUNED) if name in found]
    others = [name for name in found if not name.startswith(PRODUCT)]
    lines = []
    for kind in found[HYBRID]:
        best, name = max((found[name][kind], name) for name in others)
        lines.append([kind, *(f"{found[name][kind]:.3f}" for name in own), f"{best:.3f} ({name})"])
    return table(["type", *(name.removeprefix(f"{PRODUCT}, ") for name in own), "best other row"], lines)


def _related(rows: Sequence[Record]) -> str:
    product = next(row for row in rows if row["ranking"] == RELATED)
    lines = [[_bold(row["ranking"], row is product), _bold(_cell(row, product), row is product)] for row in rows]
    return table(["ranking", "nDCG@10"], lines)


def _grade(grade: Record) -> list[str]:
    lines = [
        [kind, str(sum(counts.values())), *(str(counts[step]) for step in ("strong", "fair", "weak"))]
        for kind, counts in grade["grades"].items()
    ]
    areas = (
        f"The grade before the hits, for the {grade['judged']} judged queries and {grade['off-topic']} that no note "
        f"answers (area under the ROC curve: {grade['area by support']:.3f} by the figure behind the grade, "
        f"{grade['area by grade']:.3f} by its three steps):"
    )
    failures = (
        f"Weak though a note answers: {_listed(grade['judged but weak'])}. "
        f"Not weak though none does: {_listed(grade['off-topic but strong'] + grade['off-topic but fair'])}."
    )
    return [areas, table(["queries", "", "strong", "fair", "weak"], lines), failures]


def _cell(row: Record, against: Record) -> str:
    p = row[f"p against {against['ranking']}"]
    mark = ""
    if p is not None and p < _SIGNIFICANT:
        mark = " ▴" if row["ndcg@10"] > against["ndcg@10"] else " ▾"
    return f"{row['ndcg@10']:.3f}{mark}"


def _bold(text: str, bold: bool) -> str:
    return f"**{text}**" if bold and text else text


def _listed(texts: Sequence[str]) -> str:
    return ", ".join(f"“{text}”" for text in texts) if texts else "none"


def _p_text(p: float | None) -> str:
    return "" if p is None else f"{p:.4f}"
