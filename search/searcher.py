"""This module answers queries over one generation of an index."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from indexer import (
    BEST,
    Allowed,
    Encoder,
    EncoderMismatchError,
    Home,
    Leg,
    Note,
    NoteNotFoundError,
    TokenEncoder,
    Vectors,
    WeightedTokens,
    load_encoder,
    one_blas_thread,
    open_home,
    prepare,
    slug,
    support,
)
from search.hits import MODES, Answer, Grade, Hit, Hits, LegScore, Mode
from search.hybrid import both_legs
from search.legs import Ranking, handed_on
from search.query import And, Constraint, Query, parse
from search.related import legs_of
from search.snippets import best_snippet
from search.spelling import respell
from search.wording import Wording, may_go_on, word

if TYPE_CHECKING:
    from indexer import Address
    from search.neighbours import Explorer, Neighbours

# A first hit that holds every word of the query is worth a step: an acronym may mean nothing to the encoder.
_RAISED: dict[Grade | None, Grade] = {"weak": "fair", "fair": "strong"}


class Searcher:
    """A snapshot of one generation, ready for queries; safe to share between threads.

    ``encoder`` is the one that built the index; it is loaded at the first query that needs it.
    """

    def __init__(self, index: Home, encoder: Encoder | None = None) -> None:
        self.index = index
        self._given_encoder = encoder

    @classmethod
    def open(cls, place: str | Path | Address = "index", encoder: Encoder | None = None) -> Searcher:
        """Open the newest generation of the index in a folder, or at an address ("milvus+http://host:port/name").

        Raises IndexNotFoundError, IndexVersionError or IndexCorruptError, and of an engine ClusterError.
        """
        return cls(open_home(place), encoder)

    def is_current(self) -> bool:
        """Whether no newer generation was published; cheap enough to be asked before every query."""
        return self.index.is_current()

    def newest(self) -> Searcher:
        """This searcher while it is current, else one of the newest generation, which takes over the encoder where
        that is still the same.  Raises what ``open`` raises."""
        if self.is_current():
            return self
        newer = Searcher(self.index.newest(), self._given_encoder)
        known = self.index.manifest.encoder.fingerprint
        if "encoder" in vars(self) and newer.index.manifest.encoder.fingerprint == known:
            newer.encoder = self.encoder
        return newer

    @cached_property
    def encoder(self) -> Encoder:
        """The encoder of the index.  Raises EncoderMissingError or EncoderMismatchError."""
        known = self.index.manifest.encoder
        try:
            return self._given_encoder or load_encoder(known.name, known=known, adapter=self.index.adapter)
        except EncoderMismatchError as error:
            raise error.of(self.index.where()) from error

    def prepare(self) -> Searcher:
        """This searcher, made ready for many questions: the encoder is loaded and compiled for the processor at hand
        (0.3 s), after which it takes two thirds of the time, and scores may differ in the sixth digit.

        Raises what ``encoder`` raises.
        """
        prepare(self.encoder)
        return self

    @cached_property
    def _explorer(self) -> Explorer:
        from search.neighbours import Explorer  # here, so that a plain search does not pay for it

        return Explorer(self.index)

    def search(
        self,
        query: str,
        k: int = 10,
        mode: Mode = "hybrid",
        typing: bool = False,
        within: Constraint | None = None,
    ) -> Hits:
        """The ``k`` best notes for a query in the grammar of ``search.query``, best first; fewer where fewer fit.

        A query without a word that ranks lists what its constraints allow, in the order of the notes; without
        constraints either, nothing.  ``typing`` says that the last word may not be finished (unless something follows
        it, or it does not rank): then it also finds the words that begin so.  ``within`` is demanded besides what the
        query itself demands.
        Raises QueryError, and in the modes other than lexical EncoderError.
        """
        _check(k, mode)
        parsed = read(query)
        answer = self.answer(narrowed(parsed, within), mode, typing and may_go_on(query, parsed))
        suggestion = respell(query, self.index.manifest.analyser, answer.meant) if answer.meant else None
        return Hits(self._hits(answer.ranking, k, answer.legs, answer.terms), answer.grade, suggestion)

    def complete(self, text: str, k: int = 5) -> list[str]:
        """The ``k`` words that the unfinished last word of ``text`` may become, the most useful first; see
        ``search.completion.complete``."""
        from search.completion import complete  # here, so that a plain search does not pay for it

        return complete(self.index, text, k)

    @one_blas_thread()
    def answer(self, query: Query, mode: Mode = "hybrid", typing: bool = False) -> Answer:
        """Rank every note for a query that was read, as ``search`` does."""
        allowed: Allowed | None = None
        if query.constraint is not None:
            from search.constraints import allowed_rows  # here, so that a plain search does not pay for it

            allowed = allowed_rows(self.index, query.constraint)
        wording = word(self.index, query, typing)
        terms, meant = wording.terms, wording.meant
        if not query.text.strip():
            return Answer(query, allowed, terms, None, None, {}, {}, self._in_order(allowed))
        legs: dict[str, Ranking] = {}
        asked: dict[str, Leg] = {}
        if mode != "semantic":
            asked["words"] = self.index.by_words(terms)
            legs["lexical"] = handed_on(self.index, asked["words"], allowed)
        if mode == "lexical":
            return Answer(query, allowed, terms, None, None, asked, legs, legs["lexical"], meant=meant)
        vector, tokens = self._encode(wording.text)
        asked["meaning"] = near = self.index.by_meaning(vector)
        legs["semantic"] = ranking = handed_on(self.index, near, allowed)
        if mode == "hybrid":
            runs = self.index.by_runs(query.words)
            if runs is not None:
                asked["runs"] = runs
            ranking = both_legs(self.index, legs, asked["words"], runs, wording.ceiling, near, vector, tokens)
        grade = self._grade(legs["semantic"], vector)
        if grade in _RAISED and len(ranking) and self._holds_every_word(ranking.rows[0], wording):
            grade = _RAISED[grade]
        return Answer(query, allowed, terms, vector, tokens, asked, legs, ranking, grade, meant)

    @one_blas_thread()
    def related(self, note_id: str, k: int = 10) -> Hits:
        """The ``k`` notes most related to a note, in the order of ``neighbours``, as hits; their score is likeness, in
        standard deviations above a random pair of notes.  Raises NoteNotFoundError."""
        _check(k, "hybrid")
        row = self.row_of(note_id)
        legs, terms = legs_of(self.index, row)
        return Hits(self._hits(self._explorer.listed(row, k)[0], k, legs, terms))

    def neighbours(self, note_id: str, k: int = 10) -> Neighbours:
        """The list of a note: up to ``k`` others, best first, each with its grade and why it is there; see
        ``search.neighbours``.  Raises NoteNotFoundError."""
        _check(k, "hybrid")
        return self._explorer.neighbours(self.row_of(note_id), k)

    def get(self, note_id: str) -> Note:
        """The note with this id.  Raises NoteNotFoundError."""
        return self.index.note(self.row_of(note_id))

    def row_of(self, note_id: str) -> int:
        """The row of an id, or of the title that leads to it.  Raises NoteNotFoundError with the nearest ids."""
        for candidate in (note_id, slug(note_id)):
            row = self.index.row_of(candidate)
            if row is not None:
                return row
        raise NoteNotFoundError(note_id, self._nearest_ids(note_id))

    def _grade(self, leg: Ranking, vector: Vectors) -> Grade | None:
        scale = self.index.manifest.calibration
        if scale is None:
            return None
        found = support(leg.scores[:BEST], vector, self.index.centroid)
        return "strong" if found >= scale.strong else "weak" if found < scale.weak else "fair"

    def _holds_every_word(self, row: int, wording: Wording) -> bool:
        return bool(wording.asked) and wording.asked <= self.term_scores(int(row), wording.terms).keys()

    def _encode(self, text: str) -> tuple[Vectors, WeightedTokens | None]:
        """The query's vector and, where the index can use them, its token vectors."""
        late = self.index.late
        if late is not None and isinstance(self.encoder, TokenEncoder):
            states = self.encoder.encode_query_tokens(text)
            return self.index.whitened(states.vector), late.prepare(states.tokens, states.pieces)
        return self.index.whitened(self.encoder.encode_query(text)), None

    def _in_order(self, allowed: Allowed | None) -> Ranking:
        rows = np.zeros(0, np.int64) if allowed is None else allowed.rows()
        return Ranking(rows, np.zeros(len(rows), dtype=np.float32))

    def _hits(self, fused: Ranking, k: int, legs: Mapping[str, Ranking], terms: Mapping[int, float]) -> list[Hit]:
        hits = []
        self.index.read_ahead(fused.rows[:k])
        for rank, (row, score) in enumerate(
            zip(fused.rows[:k].tolist(), fused.scores[:k].tolist(), strict=True), start=1
        ):
            note = self.index.note(row)
            added = self.term_scores(row, terms)
            found = {}
            for name, ranking in legs.items():
                for place in np.flatnonzero(ranking.rows == row).tolist():
                    value = float(ranking.scores[place])
                    found[name] = LegScore(place + 1, value, added if name == "lexical" else None)
            snippet = best_snippet(note.description, self._tokenise, added)
            hits.append(Hit(rank, note, score, snippet, found))
        return hits

    def _tokenise(self, text: str) -> list[Any]:
        return list(self.index.manifest.analyser.tokens(text))

    def term_scores(self, row: int, terms: Mapping[int, float]) -> dict[str, float]:
        """The query's terms that a note holds, with what each added to its BM25 score, the greatest first."""
        numbers, values, _ = self.index.said(row)
        added = {
            self.index.lexicon.term(number): terms[number] * value
            for number, value in zip(numbers.tolist(), values.tolist(), strict=True)
            if number in terms
        }
        return dict(sorted(added.items(), key=lambda item: (-item[1], item[0])))

    def _nearest_ids(self, note_id: str) -> Sequence[str]:
        """The three ids that look most like ``note_id``: among notes that share its words, and its alphabetic
        neighbours, so that the cost does not grow with the index."""
        import difflib  # needed for a mistyped id only

        wanted = slug(note_id[:500])
        terms = word(self.index, parse_free(wanted.replace("-", " "))).terms
        ranking = handed_on(self.index, self.index.by_words(terms), None)
        candidates = dict.fromkeys(self.index.note(row).id for row in ranking.rows[:50].tolist())
        candidates.update(dict.fromkeys(self.index.ids_around(wanted, 25, 25)))
        return difflib.get_close_matches(wanted, candidates, n=3, cutoff=0.0)


def read(query: str) -> Query:
    """A query in the grammar of ``search.query``; what no encoding can carry (lone surrogates) is read as "?"."""
    return parse(query.encode("utf-8", "replace").decode("utf-8"))


def narrowed(query: Query, within: Constraint | None) -> Query:
    """A query that also demands ``within``."""
    if within is None:
        return query
    return replace(query, constraint=within if query.constraint is None else And((query.constraint, within)))


def parse_free(words: str) -> Query:
    """A query of free words, whatever signs stand in it."""
    return Query(text=words, words=words, expansions=(), constraint=None)


def _check(k: int, mode: str) -> None:
    if k < 1:
        raise ValueError(f"k is {k}, expected at least 1")
    if mode not in MODES:
        raise ValueError(f"mode is {mode!r}, expected one of {', '.join(MODES)}")
