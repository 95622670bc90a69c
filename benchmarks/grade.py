"""This module measures whether the grade before the hits tells answered queries from those that no note answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.judged import JUDGED_NOTES, Judged
from benchmarks.significance import roc_area
from indexer import BEST, support
from search.searcher import Searcher

OFF_TOPIC = JUDGED_NOTES / "off-topic.txt"
_STEPS = {"weak": 0, "fair": 1, "strong": 2}


def read_off_topic(path: Path) -> dict[str, str]:
    """Query -> its kind, in the order of the file: one query a line below the kind's "# " line.

    Raises ValueError for a query that stands twice, or above the first kind.
    """
    kinds: dict[str, str] = {}
    kind = ""
    for line in filter(str.strip, path.read_text(encoding="utf-8").splitlines()):
        if line.startswith("# "):
            kind = line[2:].strip()
        elif not kind or line in kinds:
            raise ValueError(f"{path}: {line!r} stands twice, or above the first kind")
        else:
            kinds[line] = kind
    return kinds


def measure_grade(searcher: Searcher, judged: Judged, off_topic: Mapping[str, str]) -> dict[str, Any]:
    """JSON-ready: how often each side is called strong, fair and weak, the areas under the ROC curve, the failures.

    The judged queries are the positives; those without a note of grade ``relevant_from`` are named, because the
    claim would not hold for them.
    """
    texts = judged.texts()
    asked = {text: searcher.search(text).grade for text in (*texts.values(), *off_topic)}
    supports = {text: support_of(searcher, text) for text in asked}
    answered = list(texts.values())

    def step(text: str) -> float:
        return float(_STEPS[asked[text] or "weak"])

    kinds = {"judged queries": Counter(str(asked[text]) for text in answered)}
    for text, kind in off_topic.items():
        kinds.setdefault(kind, Counter())[str(asked[text])] += 1
    return {
        "judged": len(answered),
        "off-topic": len(off_topic),
        "area by support": round(roc_area([supports[t] for t in answered], [supports[t] for t in off_topic]), 4),
        "area by grade": round(roc_area([step(t) for t in answered], [step(t) for t in off_topic]), 4),
        "grades": {kind: {grade: counts[grade] for grade in reversed(_STEPS)} for kind, counts in kinds.items()},
        "without an answer": [
            query for query in texts if max(judged.judgements[query].values()) < judged.relevant_from
        ],
        "judged but weak": [text for text in answered if asked[text] == "weak"],
        "off-topic but strong": [text for text in off_topic if asked[text] == "strong"],
        "off-topic but fair": [text for text in off_topic if asked[text] == "fair"],
    }


def support_of(searcher: Searcher, text: str) -> float:
    """The figure that the grade is made from, by ``indexer.support``: 0 for a query that nothing answers."""
    hits = searcher.search(text, BEST, "semantic")
    best = np.array([hit.legs["semantic"].score for hit in hits if "semantic" in hit.legs], dtype=np.float32)
    return support(best, searcher.index.whitened(searcher.encoder.encode_query(text)), searcher.index.centroid)
