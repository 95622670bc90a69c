"""This module scores every ranking on the judged notes, and on BEIR collections where they are at hand.

    python -m benchmarks.quality                          the owner's notes alone
    python -m benchmarks.quality --beir ../collections/scifact --beir ../collections/nfcorpus

A BEIR folder holds corpus.jsonl, queries.jsonl and qrels.tsv.  Its index is kept under .cache/ between runs.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Mapping
from pathlib import Path

from benchmarks.results import ROOT, save
from indexer import build_index
from search.evaluate import Judgements, Run, evaluate, ndcg_at, read_judgements
from search.searcher import Searcher
from search.trials import query_runs, related_run

DEV = ROOT / "benchmarks" / "judgements" / "dev"
CACHE = ROOT / ".cache" / "quality"
PERMUTATIONS = 10_000


def reciprocal_rank_fusion(lexical: Run, semantic: Run, constant: int = 60) -> Run:
    """Cormack, Clarke and Büttcher 2009: score = sum over rankings of 1 / (constant + rank); the peers' default."""
    fused: dict[str, list[tuple[str, float]]] = {}
    for query in lexical:
        scores: dict[str, float] = {}
        for run in (lexical, semantic):
            for rank, (note_id, _) in enumerate(run[query], start=1):
                scores[note_id] = scores.get(note_id, 0.0) + 1 / (constant + rank)
        fused[query] = sorted(scores.items(), key=lambda item: (-item[1], item[0]))
    return fused


def p_value(first: Run, second: Run, judgements: Judgements, seed: int = 0) -> float:
    """Paired randomisation test (Smucker, Allan and Carterette 2007) on nDCG@10, two-sided."""
    gaps = [
        ndcg_at([n for n, _ in first.get(q, ())], grades) - ndcg_at([n for n, _ in second.get(q, ())], grades)
        for q, grades in judgements.items()
    ]
    chance = random.Random(seed)  # noqa: S311 - statistics, not secrets
    observed = abs(sum(gaps))
    as_far = sum(
        abs(sum(gap if chance.random() < 0.5 else -gap for gap in gaps)) >= observed - 1e-12
        for _ in range(PERMUTATIONS)
    )
    return (as_far + 1) / (PERMUTATIONS + 1)


def measure(name: str, notes: Path, queries: Path, qrels: Path, related: Path | None) -> list[dict[str, object]]:
    """A row a ranking: collection, ranking, nDCG@10, and the test of hybrid against it."""
    folder = CACHE / name
    build_index([notes], folder)
    searcher = Searcher.open(folder)
    judgements = read_judgements(qrels)
    judgements = {query: grades for query, grades in judgements.items() if any(g > 0 for g in grades.values())}
    runs: dict[str, Run] = dict(query_runs(searcher, queries, judgements))
    runs["RRF, k = 60"] = reciprocal_rank_fusion(runs["lexical"], runs["semantic"])
    hybrid = runs["hybrid"]
    rows: list[dict[str, object]] = [
        {
            "collection": name,
            "ranking": ranking,
            "queries": len(judgements),
            "ndcg@10": evaluate(run, judgements).ndcg,
            "p against hybrid": None if ranking == "hybrid" else p_value(hybrid, run, judgements),
            "by type": by_type(queries, run, judgements),
        }
        for ranking, run in runs.items()
    ]
    if related is not None:
        grades = read_judgements(related)
        score = evaluate(related_run(searcher, grades), grades).ndcg
        rows.append({"collection": name, "ranking": "related notes", "queries": len(grades), "ndcg@10": score})
    return rows


def adapted(folder: Path) -> Path:
    """The collection as notes: BEIR allows documents without a title, which take their first words for one."""
    target = CACHE / f"{folder.name}.jsonl"
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("w", encoding="utf-8") as file:
        for line in (folder / "corpus.jsonl").read_text(encoding="utf-8").splitlines():
            record = json.loads(line)
            title = record["title"].strip() or " ".join(record["text"].split()[:12]) or "untitled"
            file.write(json.dumps({"id": record["_id"], "title": title, "text": record["text"]}) + "\n")
    return target


def by_type(queries: Path, run: Run, judgements: Judgements) -> Mapping[str, float]:
    """Mean nDCG@10 a type of query, where the queries' file names types."""
    groups: dict[str, list[float]] = {}
    for line in queries.read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        if "type" in record and record["_id"] in judgements:
            ranking = [note_id for note_id, _ in run.get(record["_id"], ())]
            groups.setdefault(record["type"], []).append(ndcg_at(ranking, judgements[record["_id"]]))
    return {kind: sum(values) / len(values) for kind, values in groups.items()}


def main() -> None:
    """Measure, save, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--beir", action="append", default=[], type=Path, metavar="FOLDER")
    folders: list[Path] = parser.parse_args().beir
    rows = measure("notes", ROOT / "data", DEV / "queries.jsonl", DEV / "qrels.tsv", DEV / "related.tsv")
    for folder in folders:
        if (folder / "corpus.jsonl").is_file():
            rows += measure(folder.name, adapted(folder), folder / "queries.jsonl", folder / "qrels.tsv", None)
        else:
            print(f"left out: {folder} holds no corpus.jsonl")
    table = [
        [
            str(row["collection"]),
            str(row["ranking"]),
            str(row["queries"]),
            f"{row['ndcg@10']:.3f}",
            f"{row['p against hybrid']:.4f}" if row.get("p against hybrid") is not None else "",
        ]
        for row in rows
    ]
    save("quality", {"rows": rows}, ["collection", "ranking", "judged", "nDCG@10", "p against hybrid"], table)


if __name__ == "__main__":
    main()
