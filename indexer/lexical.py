"""This module is where Whoosh is reached from: its stop words, and a searcher over our postings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from indexer.postings import Postings

if TYPE_CHECKING:
    from whoosh.searching import Searcher as WhooshSearcher

# The analyser's languages that Whoosh knows stop words for, by its two-letter names.
_STOP_LISTS = {
    "danish": "da", "dutch": "nl", "english": "en", "finnish": "fi", "french": "fr", "german": "de",
    "hungarian": "hu", "italian": "it", "norwegian": "no", "portuguese": "pt", "russian": "ru", "spanish": "es",
    "swedish": "sv",
}  # fmt: skip


def stop_words(language: str) -> tuple[str, ...]:
    """The stop words of a language, sorted (the Snowball project's lists, as Whoosh ships them); () where none are."""
    from whoosh.lang.stopwords import stoplists

    return tuple(sorted(stoplists.get(_STOP_LISTS.get(language, ""), ())))


def whoosh_searcher(postings: Postings) -> WhooshSearcher:
    """A Whoosh searcher over ``postings``; document i is note i.

    Fields: title, description and topic with positions; tag, one term a folded tag.
    """
    from indexer.reader import searcher_over

    return searcher_over(postings)
