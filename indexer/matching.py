"""This module asks Whoosh which notes satisfy a demand: the one place where Whoosh queries are built."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from indexer.demands import AllOf, AnyOf, Begins, Demand, InTopic, Leaf, Near, Without
from indexer.lexical import whoosh_searcher
from indexer.postings import Postings

if TYPE_CHECKING:
    from whoosh.query import Query as WhooshQuery

Mask = npt.NDArray[np.bool_]


def satisfying(postings: Postings, demand: Demand, in_topic: Callable[[InTopic], Mask]) -> Mask:
    """Which notes satisfy ``demand``: bool [n_notes].  ``in_topic`` decides about topics, which are no words."""
    with whoosh_searcher(postings) as searcher:
        return _mask(searcher, postings.n_notes, demand, in_topic)


def terms_for(postings: Postings, leaves: Sequence[Leaf]) -> list[str]:
    """The terms of the vocabulary that match a leaf in its field, sorted, each once."""
    found: set[str] = set()
    with whoosh_searcher(postings) as searcher:
        reader = searcher.reader()
        for leaf in leaves:
            found.update(text.decode("utf-8") for _, text in _query(leaf).existing_terms(reader, expand=True))
    return sorted(found)


def _mask(searcher: Any, n_notes: int, demand: Demand, in_topic: Callable[[InTopic], Mask]) -> Mask:
    if isinstance(demand, AllOf):
        masks = [_mask(searcher, n_notes, part, in_topic) for part in demand.parts]
        return np.logical_and.reduce(masks) if masks else np.ones(n_notes, dtype=np.bool_)
    if isinstance(demand, AnyOf):
        masks = [_mask(searcher, n_notes, part, in_topic) for part in demand.parts]
        return np.logical_or.reduce(masks) if masks else np.zeros(n_notes, dtype=np.bool_)
    if isinstance(demand, Without):
        return ~_mask(searcher, n_notes, demand.part, in_topic)
    if isinstance(demand, InTopic):
        return in_topic(demand)
    mask = np.zeros(n_notes, dtype=np.bool_)
    mask[np.fromiter(_query(demand).docs(searcher), dtype=np.int64)] = True
    return mask


def _query(leaf: Leaf) -> WhooshQuery:
    from whoosh import query

    if isinstance(leaf, Begins):
        return query.Prefix(leaf.field, leaf.text)
    if isinstance(leaf, Near):
        return query.FuzzyTerm(leaf.field, leaf.term, maxdist=leaf.edits, prefixlength=1)
    if len(leaf.terms) == 1:
        return query.Term(leaf.field, leaf.terms[0])
    return query.Phrase(leaf.field, list(leaf.terms))
