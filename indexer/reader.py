"""This module shows our postings to Whoosh in the form of one of its readers.

Whoosh decides what matches; it writes nothing, and no file of its own, which it would unpickle, exists.  What imports
this module imports Whoosh, and does so inside a function.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from typing import Any

import numpy as np
from whoosh.codec.base import Automata
from whoosh.fields import KEYWORD, TEXT, Schema
from whoosh.matching import ListMatcher
from whoosh.reading import IndexReader, TermInfo, TermNotFound
from whoosh.scoring import WeightingModel
from whoosh.searching import Searcher

from indexer.postings import ALL_FIELDS, Postings

# What the fields hold: positions in texts, and whole tags.  Texts come analysed, so nothing is left to analyse.
_SCHEMA = Schema(**{name: KEYWORD() if name == "tag" else TEXT() for name in ALL_FIELDS})


class PostingsReader(IndexReader):  # type: ignore[misc]  # Whoosh has no types
    """A Whoosh reader over ``Postings``: document i is note i.  It holds nothing open, so closing it does nothing.

    It answers what queries ask in order to match; lengths and stored fields, which scoring and display would ask
    for, are not kept here.
    """

    def __init__(self, postings: Postings) -> None:
        self.schema = _SCHEMA
        self._postings = postings

    def __contains__(self, term: tuple[str, Any]) -> bool:
        return term[0] in self.schema and self._number(*term) is not None

    def doc_count_all(self) -> int:
        """How many notes there are."""
        return self._postings.n_notes

    doc_count = doc_count_all

    def has_deletions(self) -> bool:
        """Never: a generation is whole."""
        return False

    def is_deleted(self, docnum: int) -> bool:
        """Never."""
        return False

    def indexed_field_names(self) -> list[str]:
        """The names of all fields, sorted."""
        return sorted(ALL_FIELDS)

    def all_terms(self) -> Iterator[tuple[str, bytes]]:
        """Every (field, term), sorted."""
        return (term for field in self.indexed_field_names() for term in self.terms_from(field, b""))

    def terms_from(self, fieldname: str, prefix: Any) -> Iterator[tuple[str, bytes]]:
        """The terms of a field from ``prefix`` on, sorted."""
        vocabulary = self._postings.vocabulary
        first = bisect_left(
            range(len(vocabulary)), self._bytes(fieldname, prefix), key=lambda n: vocabulary[n].encode()
        )
        return ((fieldname, word.encode()) for word in self._words(fieldname, range(first, len(vocabulary))))

    def expand_prefix(self, fieldname: str, prefix: Any) -> Iterator[bytes]:
        """The terms of a field that begin with ``prefix``, sorted."""
        begin = self._bytes(fieldname, prefix).decode("utf-8")
        numbers = self._postings.vocabulary.with_prefix(begin)
        return (word.encode() for word in self._words(fieldname, numbers))

    def terms_within(self, fieldname: str, text: str, maxdist: int, prefix: int = 0) -> Iterator[str]:
        """The terms of a field within ``maxdist`` edits of ``text`` that begin with its first ``prefix`` letters."""
        numbers = self._postings.vocabulary.with_prefix(text[:prefix])
        return Automata().terms_within(_Cursor(list(self._words(fieldname, numbers))), text, maxdist, prefix)  # type: ignore[no-any-return]

    def term_info(self, fieldname: str, text: Any) -> TermInfo:
        """How often a term stands in a field, and in how many notes.  Raises Whoosh's TermNotFound."""
        rows = self._rows(fieldname, text)
        different = np.unique(rows)
        return TermInfo(len(rows), len(different), minid=int(different[0]), maxid=int(different[-1]))

    def frequency(self, fieldname: str, text: Any) -> int:
        """How often a term stands in a field; 0 where it does not."""
        return len(self._rows(fieldname, text)) if (fieldname, text) in self else 0

    def doc_frequency(self, fieldname: str, text: Any) -> int:
        """In how many notes a term stands in a field."""
        return len(np.unique(self._rows(fieldname, text))) if (fieldname, text) in self else 0

    def postings(self, fieldname: str, text: Any, scorer: object = None) -> _Matcher:
        """A matcher of the notes that hold a term in a field.  Raises Whoosh's TermNotFound."""
        number = self._number(fieldname, text)
        if number is None:
            raise TermNotFound(f"{fieldname}:{text!r}")
        rows, positions = self._postings.of(number, ALL_FIELDS.index(fieldname))
        ids, begins = np.unique(rows, return_index=True)
        return _Matcher(ids.tolist(), begins, positions, self.schema[fieldname].format, (fieldname, text))

    def _rows(self, fieldname: str, text: Any) -> np.ndarray[Any, Any]:
        number = self._number(fieldname, text)
        if number is None:
            raise TermNotFound(f"{fieldname}:{text!r}")
        return self._postings.of(number, ALL_FIELDS.index(fieldname))[0]

    def _number(self, fieldname: str, text: Any) -> int | None:
        number = self._postings.vocabulary.find(self._bytes(fieldname, text).decode("utf-8"))
        if number is None or not self._postings.holding(range(number, number + 1), ALL_FIELDS.index(fieldname)):
            return None
        return number

    def _words(self, fieldname: str, numbers: range) -> Iterator[str]:
        vocabulary = self._postings.vocabulary
        return (vocabulary[number] for number in self._postings.holding(numbers, ALL_FIELDS.index(fieldname)))

    def _bytes(self, fieldname: str, text: Any) -> bytes:
        return text if isinstance(text, bytes) else self.schema[fieldname].to_bytes(text)

    # What Whoosh's searcher takes from a reader, and no query of ours asks for.

    def field_length(self, fieldname: str) -> int:
        """Not kept."""
        raise NotImplementedError

    min_field_length = max_field_length = field_length

    def doc_field_length(self, docnum: int, fieldname: str, default: int = 0) -> int:
        """Not kept."""
        raise NotImplementedError

    def stored_fields(self, docnum: int) -> dict[str, Any]:
        """Nothing is stored."""
        return {}

    def has_vector(self, docnum: int, fieldname: str) -> bool:
        """Never."""
        return False

    def vector(self, docnum: int, fieldname: str, format_: object = None) -> Any:
        """Not kept."""
        raise NotImplementedError


class _Matcher(ListMatcher):  # type: ignore[misc]
    """The notes of one term in one field, with the positions where it stands."""

    def __init__(self, ids: list[int], begins: Any, positions: Any, form: Any, term: Any, at: int = 0) -> None:
        super().__init__(ids, format=form, term=term, position=at)
        self._begins, self._positions = begins, positions

    def copy(self) -> _Matcher:
        """Another at the same note."""
        return _Matcher(self._ids, self._begins, self._positions, self._format, self._term, self._i)

    def skip_to(self, id: int) -> None:
        """Go on to the first note from ``id`` on."""
        self._i: int = bisect_left(self._ids, id, self._i)

    def value_as(self, astype: str) -> list[int]:
        """The positions in the current note, ascending: what a phrase asks for."""
        begin = self._begins[self._i]
        end = self._begins[self._i + 1] if self._i + 1 < len(self._ids) else len(self._positions)
        return self._positions[begin:end].tolist()  # type: ignore[no-any-return]


class _Cursor:
    """Sorted words, as Whoosh's automata step through them."""

    def __init__(self, words: list[str]) -> None:
        self._words = words
        self._at = 0

    def text(self) -> str | None:
        """The current word, None at the end."""
        return self._words[self._at] if self._at < len(self._words) else None

    def find(self, word: str) -> None:
        """Go to the first word from ``word`` on."""
        self._at = bisect_left(self._words, word)


class _Unscored(WeightingModel):  # type: ignore[misc]
    """No scores: the impacts decide how well a note matches."""

    def scorer(self, searcher: object, fieldname: str, text: Any, qf: float = 1) -> None:
        """None, which matchers take for no scorer."""


def searcher_over(postings: Postings) -> Searcher:
    """A Whoosh searcher that matches, and does not score."""
    return Searcher(PostingsReader(postings), weighting=_Unscored())
