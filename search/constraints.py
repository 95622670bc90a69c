"""This module turns a query's constraints into demands on terms, which the home of the notes decides."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from indexer import (
    AllOf,
    Allowed,
    Analyser,
    AnyOf,
    Begins,
    Demand,
    Home,
    InTopic,
    Leaf,
    Near,
    Run,
    Without,
    fold,
    tag_term,
)
from search.query import And, Constraint, Field, Fuzzy, Not, Or, Phrase, Prefix

_TEXT_FIELDS: tuple[Field, ...] = ("title", "description", "topic")


def allowed_rows(index: Home, constraint: Constraint) -> Allowed:
    """Which notes satisfy ``constraint``."""
    return index.allowed(demand_of(index.manifest.analyser, constraint))


def expansion_terms(index: Home, expansions: Iterable[Prefix | Fuzzy]) -> list[str]:
    """The terms of the vocabulary that prefixes and fuzzy words stand for, sorted, each once."""
    analyser = index.manifest.analyser
    return index.terms_for([leaf for expansion in expansions for leaf in _leaves(analyser, expansion)])


def demand_of(analyser: Analyser, constraint: Constraint) -> Demand:
    """What a note must hold to satisfy ``constraint``.

    Text without a single word in it ("???", an emoji) demands nothing, excludes nothing and is no alternative.
    """
    return _demand(analyser, constraint) or AllOf(())


def _demand(analyser: Analyser, constraint: Constraint) -> Demand | None:
    """The same, or None where nothing is demanded."""
    if isinstance(constraint, (And, Or)):
        parts = tuple(part for part in (_demand(analyser, each) for each in constraint.parts) if part is not None)
        return None if not parts else AllOf(parts) if isinstance(constraint, And) else AnyOf(parts)
    if isinstance(constraint, Not):
        part = _demand(analyser, constraint.part)
        return None if part is None else Without(part)
    if isinstance(constraint, InTopic):
        return constraint
    return AnyOf(tuple(leaves)) if (leaves := _leaves(analyser, constraint)) else None


def _leaves(analyser: Analyser, constraint: Phrase | Prefix | Fuzzy) -> Sequence[Leaf]:
    """Demands, at least one a field; a note that satisfies any of them satisfies ``constraint``.

    In scripts without spaces a word is as many terms as it has characters.  There a beginning is these in a row, and a
    fuzzy word the same without the last ``edits`` of them, two at least: such words vary at their ends (再帰的~ is
    anything with 再帰).
    """
    if constraint.field == "tag":
        tag = tag_term(constraint.text)
        if isinstance(constraint, Prefix):
            return [Begins("tag", tag)]
        if isinstance(constraint, Fuzzy):
            return [Near("tag", tag, constraint.edits)]
        return [Run("tag", (tag,))] if tag else []
    fields = [constraint.field] if constraint.field else _TEXT_FIELDS
    terms = tuple(token.term for token in analyser.tokens(constraint.text))
    if isinstance(constraint, Fuzzy) and len(terms) > 1:
        terms = terms[: max(2, len(terms) - constraint.edits)]
    if isinstance(constraint, Phrase) or len(terms) > 1:
        return [Run(field, terms) for field in fields] if terms else []
    if isinstance(constraint, Prefix):
        # The vocabulary holds stems: "verifying*" must find "verifi", which does not begin with it.
        begin, stem = fold(constraint.text), analyser.term(constraint.text)
        return [leaf for field in fields for leaf in (Begins(field, begin), Run(field, (stem,)))]
    return [Near(field, analyser.term(constraint.text), constraint.edits) for field in fields]
