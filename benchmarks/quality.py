"""This module scores every ranking on the judged notes, and on BEIR collections where they are at hand.

    python -m benchmarks.quality                          the owner's notes alone
    python -m benchmarks.quality --tune notes             and these with an encoder tuned to them
    python -m benchmarks.quality --beir ../collections/scifact --beir ../collections/nfcorpus
    python -m benchmarks.quality --beir ../collections/scifact --split train --limit 200

A BEIR folder holds corpus.jsonl, queries.jsonl and qrels/test.tsv.  What was encoded is kept under .cache/, so that a
second run takes minutes where the first took hours.  Figures of test queries are saved; those of the other splits,
which are for choosing settings, are only printed, and never include the judged notes.  Collections that are not given
keep the figures that were measured last, and so do tuned encoders.
"""

from __future__ import annotations

import argparse
from typing import Any

from benchmarks.encodings import CachedEncoder
from benchmarks.grade import OFF_TOPIC, measure_grade, read_off_topic
from benchmarks.judged import Judged, beir, owner_notes
from benchmarks.others import has_txtai, txtai_hybrid, txtai_name
from benchmarks.outside import add_beir
from benchmarks.product import can_tune, open_product, open_tuned
from benchmarks.rankings import note_text, query_rankings, related_rankings, views
from benchmarks.results import ROOT, save, saved
from benchmarks.scoring import moves_text, scored_rows
from benchmarks.tables import HYBRID, PRODUCT, RELATED, TUNED_PRODUCT, detail_text, quality_text
from indexer import Index, TokenEncoder, load_encoder
from search.evaluate import Run
from search.searcher import Searcher
from search.trials import query_runs, related_run

CACHE = ROOT / ".cache" / "quality"
_LATE = CACHE / "late"


def main() -> None:
    """Measure, print and, for test queries, save."""
    options = parser().parse_args()
    loaded = load_encoder()
    if not isinstance(loaded, TokenEncoder):
        raise SystemExit("the default encoder gives no token vectors, which half of the rankings need")
    encoder = CachedEncoder(loaded, CACHE / "encodings.sqlite")
    left_out = []
    tune = set(options.tune) if can_tune() else set()
    if options.tune and not tune:
        left_out.append("tuned indexes: this version of the indexer cannot tune")
    if not has_txtai():
        left_out.append("txtai hybrid: txtai is not installed")
    collections = [owner_notes()] if options.split == "test" else []
    for folder in options.beir:
        found = beir(folder, options.split, CACHE, options.limit)
        if found is None:
            left_out.append(f"{folder.name}: the folder lacks a file of its {options.split} part, or is not there")
        else:
            collections.append(found)
    for line in left_out:
        print(f"left out: {line}")

    record: dict[str, Any] = {"encoder": loaded.info.name, "left out": left_out, "collections": {}}
    for judged in collections:
        searcher = open_product(judged.notes, CACHE / judged.name, encoder)
        if judged.related:
            record["grade"] = measure_grade(searcher, judged, read_off_topic(OFF_TOPIC))
        tuned = open_tuned(judged.notes, CACHE / f"{judged.name}-tuned") if judged.name in tune else None
        record["collections"][judged.name] = measure(judged, searcher, tuned, encoder, options.losses)
    encoder.close()
    if options.split == "test" and options.limit is None:
        before = saved("quality").get("collections", {})
        record["collections"] = with_kept_rows(record["collections"], before)
        save("quality", record, quality_text(record))


def with_kept_rows(measured: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
    """The collections of both, as they were measured last; one that was measured again without a tuned encoder keeps
    the rows that it had with one.  Says what is kept."""
    found = before | measured
    for name in sorted(before):
        if name not in measured:
            print(f"kept as it was: {name}")
            continue
        for part in ("rows", "related"):
            known = {row["ranking"] for row in measured[name][part]}
            kept = [row for row in before[name][part] if _is_tuned(row) and row["ranking"] not in known]
            found[name] = found[name] | {part: measured[name][part] + kept}
            for row in kept:
                print(f"kept as it was: {name}, {row['ranking']}")
    return found


def _is_tuned(row: dict[str, Any]) -> bool:
    return str(row["ranking"]).startswith(TUNED_PRODUCT)


def measure(
    judged: Judged, searcher: Searcher, tuned: Searcher | None, encoder: TokenEncoder, losses: int
) -> dict[str, Any]:
    """Every ranking on one collection, JSON-ready; prints its table and, where asked, who won and lost."""
    index = searcher.index
    assert isinstance(index, Index)  # noqa: S101 - the rankings beside it take arrays apart
    notes = list(index.notes())
    texts, types = judged.texts(), judged.types()
    known = views(notes, encoder)
    runs: dict[str, Run] = query_rankings(index, notes, encoder, known, texts, _LATE)
    if has_txtai():
        ids, read = [note.id for note in notes], [note_text(note) for note in notes]
        runs[txtai_name()] = txtai_hybrid(ids, read, texts, CACHE / "peers")
    for name, answering in ((PRODUCT, searcher), (TUNED_PRODUCT, tuned)):
        if answering is not None:
            answers = query_runs(answering, judged.queries, judged.judgements)
            runs |= {f"{name}, {mode}": run for mode, run in answers.items()}
    rows = scored_rows(runs, judged.judgements, judged.relevant_from, HYBRID, types)
    print(f"\n{judged.name}, {len(judged.judgements)} judged queries\n\n{detail_text(rows, HYBRID)}", flush=True)
    if losses:
        print(moves_text(runs, judged.judgements, texts, losses))
    related: list[dict[str, Any]] = []
    if judged.related:
        lists = related_rankings(index, notes, known, judged.related)
        lists[RELATED] = related_run(searcher, judged.related)
        if tuned is not None:
            lists[f"{TUNED_PRODUCT}, related"] = related_run(tuned, judged.related)
        related = scored_rows(lists, judged.related, judged.relevant_from, RELATED, {})
        print(f"\nrelated notes, {len(judged.related)} judged lists\n\n{detail_text(related, RELATED)}")
        if losses:
            print(moves_text(lists, judged.related, {}, losses))
    return {
        "judged": len(judged.judgements),
        "rows": rows,
        "related judged": len(judged.related),
        "related": related,
    }


def parser() -> argparse.ArgumentParser:
    """The options."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_beir(options)
    options.add_argument(
        "--split", choices=("test", "train", "dev"), default="test", help="which queries; test at first"
    )
    options.add_argument("--limit", type=int, metavar="N", help="that many queries a collection, evenly taken")
    tuned = "also measure this collection with an encoder tuned to it (notes: the owner's)"
    options.add_argument("--tune", action="append", default=[], metavar="NAME", help=tuned)
    options.add_argument(
        "--losses", type=int, default=0, metavar="N", help="print who gained and lost most in each row"
    )
    return options


if __name__ == "__main__":
    main()
