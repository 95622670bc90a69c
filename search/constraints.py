"""This module asks Whoosh which notes a query's constraints allow: the one place where Whoosh queries are built."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from indexer import Index, fold, tag_term
from search.query import And, Constraint, Field, Fuzzy, Not, Or, Phrase, Prefix

if TYPE_CHECKING:
    from whoosh.query import Query as WhooshQuery

Mask = npt.NDArray[np.bool_]

_TEXT_FIELDS: tuple[Field, ...] = ("title", "description", "topic")


def allowed_rows(index: Index, constraint: Constraint) -> Mask:
    """Which notes satisfy ``constraint``: bool [n_notes]."""
    with index.whoosh_searcher() as searcher:
        return _mask(index, searcher, constraint)


def expansion_terms(index: Index, expansions: Iterable[Prefix | Fuzzy]) -> list[str]:
    """The terms of the vocabulary that prefixes and fuzzy words stand for, sorted, each once."""
    found: set[str] = set()
    with index.whoosh_searcher() as searcher:
        reader = searcher.reader()
        for expansion in expansions:
            for leaf in _leaves(index, expansion):
                found.update(text.decode("utf-8") for _, text in leaf.existing_terms(reader, expand=True))
    return sorted(found)


def _mask(index: Index, searcher: Any, constraint: Constraint) -> Mask:
    if isinstance(constraint, And):
        return np.logical_and.reduce([_mask(index, searcher, part) for part in constraint.parts])  # type: ignore[no-any-return]
    if isinstance(constraint, Or):
        return np.logical_or.reduce([_mask(index, searcher, part) for part in constraint.parts])  # type: ignore[no-any-return]
    if isinstance(constraint, Not):
        return ~_mask(index, searcher, constraint.part)
    leaves = _leaves(index, constraint)
    # Text without a single word in it ("???", an emoji) demands nothing.
    mask = np.zeros(len(index), dtype=np.bool_) if leaves else np.ones(len(index), dtype=np.bool_)
    for leaf in leaves:
        mask[np.fromiter(leaf.docs(searcher), dtype=np.int64)] = True
    return mask


def _leaves(index: Index, constraint: Phrase | Prefix | Fuzzy) -> Sequence[WhooshQuery]:
    """Whoosh queries, one a field; a note that matches any of them matches ``constraint``."""
    from whoosh import query

    analyser = index.manifest.analyser
    if constraint.field == "tag":
        tag = tag_term(constraint.text)
        if isinstance(constraint, Prefix):
            return [query.Prefix("tag", tag)]
        if isinstance(constraint, Fuzzy):
            return [query.FuzzyTerm("tag", tag, maxdist=constraint.edits, prefixlength=1)]
        return [query.Term("tag", tag)] if tag else []
    fields = [constraint.field] if constraint.field else _TEXT_FIELDS
    if isinstance(constraint, Prefix):
        # The vocabulary holds stems: "verifying*" must find "verifi", which does not begin with it.
        begin, stem = fold(constraint.text), analyser.term(constraint.text)
        return [leaf for field in fields for leaf in (query.Prefix(field, begin), query.Term(field, stem))]
    if isinstance(constraint, Fuzzy):
        stem = analyser.term(constraint.text)
        return [query.FuzzyTerm(field, stem, maxdist=constraint.edits, prefixlength=1) for field in fields]
    terms = [token.term for token in analyser.tokens(constraint.text)]
    if not terms:
        return []
    if len(terms) == 1:
        return [query.Term(field, terms[0]) for field in fields]
    return [query.Phrase(field, terms) for field in fields]
