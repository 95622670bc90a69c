"""This module finds out why a note stands where it stands in the answer to a query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from indexer import InTopic, Rows, TokenEncoder, fold
from search.constraints import allowed_rows, expansion_terms
from search.expansion import expansions
from search.hits import Answer
from search.query import And, Constraint, Fuzzy, Not, Or, Phrase, Prefix
from search.searcher import Searcher, read
from search.spelling import respell
from search.verdict import PAGE, Nearest, Place, Standing, Why, Word

_ABOVE = 3  # notes directly above that are shown
# Notes whose likeness, word by word, gives the average; as many as the ranking takes for its own background.
_SAMPLE = 64
_UNKNOWN = "[UNK]"  # BERT's word piece for what its vocabulary cannot spell


def explain(searcher: Searcher, query: str, note_id: str) -> Why:
    """Why the note with this id (or title) has its rank in ``searcher.search(query)``.

    Ranks are those of the search, however deep; a note beyond what a leg hands on gets its leg's figures all the same,
    counted over every note that the query allows.  Raises NoteNotFoundError, QueryError and EncoderError.
    """
    index = searcher.index
    row = searcher.row_of(note_id)
    parsed = read(query)
    demands = _demands(parsed.constraint)
    failed = [part for part in demands if not allowed_rows(index, part).admits(row)]
    rest = tuple(part for part in demands if part not in failed)
    answer = searcher.answer(replace(parsed, constraint=And(rest) if rest else None))
    ranking = answer.ranking
    rank = ranking.rank_of().get(row)
    words = _words(searcher, answer)
    places = _ahead(rank, len(ranking)) if answer.legs else []
    rows = np.array([row, *(int(ranking.rows[place - 1]) for place in places)], dtype=np.int64)
    note, *ahead = _standings(searcher, answer, rows, (rank, *places), words)
    background, late_background = None, None
    if answer.vector is not None:
        background = float(answer.vector @ index.centroid)
    if index.late is not None and answer.tokens is not None:
        late_background = float(index.late.scores(answer.tokens, index.sample(_SAMPLE)).mean())
    return Why(
        query=query,
        note=note,
        of=len(ranking),
        unmet=tuple(written(part) for part in failed if not isinstance(part, Not)),
        excluded=tuple(written(part) for part in failed if isinstance(part, Not)),
        words=_told(searcher, answer, row, words),
        lexical=_place(answer, "lexical", "words", row),
        semantic=_place(answer, "semantic", "meaning", row),
        background=background,
        late_background=late_background,
        nearest=_nearest_words(searcher, answer, row),
        ahead=tuple(ahead),
        grade=answer.grade,
    )


def written(constraint: Constraint) -> str:
    """A constraint as one types it, in a query by itself."""
    if isinstance(constraint, Phrase) and constraint.field is None:
        return f'"{constraint.text}"'  # without quotes a word ranks and demands nothing
    return _written(constraint)


def _written(constraint: Constraint) -> str:
    if isinstance(constraint, And):
        return " ".join(map(_grouped, constraint.parts))
    if isinstance(constraint, Or):
        return " OR ".join(map(_grouped, constraint.parts))
    if isinstance(constraint, Not):
        return f"-{_grouped(constraint.part)}"
    if isinstance(constraint, InTopic):  # no query holds one, and this is as near to it as one types
        return f'topic:"{constraint.name}"'
    field = f"{constraint.field}:" if constraint.field else ""
    if isinstance(constraint, Prefix):
        return f"{field}{constraint.text}*"
    if isinstance(constraint, Fuzzy):
        return f"{field}{constraint.text}~{constraint.edits if constraint.edits > 1 else ''}"
    return field + (f'"{constraint.text}"' if " " in constraint.text or not constraint.text else constraint.text)


def _grouped(constraint: Constraint) -> str:
    return f"({_written(constraint)})" if isinstance(constraint, (And, Or)) else _written(constraint)


def _demands(constraint: Constraint | None) -> list[Constraint]:
    """The parts that a note must satisfy one by one."""
    if constraint is None:
        return []
    if isinstance(constraint, And):
        return [demand for part in constraint.parts for demand in _demands(part)]
    return [constraint]


def _ahead(rank: int | None, ranked: int) -> list[int]:
    """The ranks that are worth showing ahead of ``rank``: the first, the tenth, and those directly above."""
    if rank is None:
        return [place for place in (1, PAGE) if place <= ranked]
    return sorted(place for place in {1, PAGE, *range(max(rank - _ABOVE, 1), rank)} if place < rank)


def _words(searcher: Searcher, answer: Answer) -> dict[str, tuple[str, ...]]:
    """The query's words as they were typed, stop words left out -> the terms that each stands for, in order; then what
    stands for a misspelt word, an acronym or a long form as well."""
    analyser = searcher.index.manifest.analyser
    typed: dict[str, str] = {}  # term -> the first word that leads to it
    for token in analyser.tokens(answer.query.words):
        if not analyser.is_stop(token.term):
            typed.setdefault(token.term, answer.query.words[token.start : token.end])
    words: dict[str, tuple[str, ...]] = {word: (term,) for term, word in typed.items()}
    for expansion in answer.query.expansions:
        words[written(expansion)] = tuple(expansion_terms(searcher.index, [expansion]))
    for slip, right in answer.meant.items():
        words[f"{right} (for {' '.join(slip)})"] = tuple(analyser.terms(right))
    text = respell(answer.query.words, analyser, answer.meant)
    for found in expansions(searcher.index, text):
        stands_for = tuple(analyser.terms(found.partner)) if found.is_acronym else (found.partner,)
        words[f"{found.partner} (for {text[found.start : found.end]})"] = stands_for
    return words


def _told(searcher: Searcher, answer: Answer, row: int, words: Mapping[str, Sequence[str]]) -> tuple[Word, ...]:
    """Each word with what it did for the note."""
    index = searcher.index
    analyser = index.manifest.analyser
    note = index.note(row)
    held = {
        field: {token.term for token in analyser.tokens(getattr(note, field))} for field in index.manifest.bm25.fields
    }
    added = searcher.term_scores(row, answer.terms)
    told = []
    for word, terms in words.items():
        numbers = list(index.lexicon.known(dict.fromkeys(terms, 1)))
        told.append(
            Word(
                text=word,
                notes=index.holding(numbers, every=False),
                fields=tuple(field for field, present in held.items() if present.intersection(terms)),
                added=sum(added.pop(term, 0.0) for term in terms),
            )
        )
    return tuple(told)


def _standings(
    searcher: Searcher,
    answer: Answer,
    rows: Rows,
    ranks: Sequence[int | None],
    words: Mapping[str, Sequence[str]],
) -> list[Standing]:
    """What each of ``rows`` has to show, in their order; ``ranks`` are theirs in the ranking."""
    index = searcher.index
    meanings = answer.asked["meaning"].of(rows) if "meaning" in answer.asked else None
    letters = answer.asked["runs"].of(rows) if "runs" in answer.asked else None
    late = None if index.late is None or answer.tokens is None else index.late.scores(answer.tokens, rows)
    first = answer.ranking.rows[:PAGE].tolist() if answer.legs else []
    likeness = {seed: index.affinity(seed, rows) for seed in first}
    standings = []
    for place, (row, rank) in enumerate(zip(rows.tolist(), ranks, strict=True)):
        note = index.note(row)
        added = searcher.term_scores(row, answer.terms)
        related = [float(likeness[seed][place]) for seed in first if seed != row]
        standings.append(
            Standing(
                rank=rank,
                id=note.id,
                title=note.title,
                score=None if rank is None else float(answer.ranking.scores[rank - 1]),
                words=tuple(word for word, terms in words.items() if added.keys() & set(terms)),
                lexical=sum(added.values()) if answer.legs else None,
                letters=None if letters is None else float(letters[place]),
                semantic=None if meanings is None else float(meanings[place]),
                late=None if late is None else float(late[place]),
                related=sum(related) / len(related) if related else None,
            )
        )
    return standings


def _place(answer: Answer, leg: str, asked: str, row: int) -> Place | None:
    """Where ``row`` stands among the notes that a leg ranks, by score and then by id, as in ``search.legs.ranked``."""
    if leg not in answer.legs:
        return None
    handed_on = answer.legs[leg].rank_of()
    rank, of = answer.asked[asked].place(row, answer.allowed)
    # An approximate search may miss a note: what it handed on is what ranked.
    score = float(answer.asked[asked].of(np.array([row], dtype=np.int64))[0])
    return Place(None if rank is None else handed_on.get(row, rank), of, score, row in handed_on)


def _nearest_words(searcher: Searcher, answer: Answer, row: int) -> tuple[Nearest, ...]:
    """For each word of the query, stop words left out, the note's word with the greatest likeness to a piece of it.

    The likeness is the word's own part of the late interaction: the mean over its pieces, by their weights, of the
    greatest cosine with a piece of the note.
    """
    late, query, analyser = searcher.index.late, answer.tokens, searcher.index.manifest.analyser
    if late is None or query is None or not isinstance(searcher.encoder, TokenEncoder):
        return ()
    note = late.note_tokens(row)
    if not len(note.vectors) or not len(query.vectors):
        return ()
    likeness = query.vectors @ note.vectors.T
    asked, asked_of = _spelt(searcher.encoder.spell(query.pieces))
    there, there_of = _spelt(searcher.encoder.spell(note.pieces))
    found: dict[str, Nearest] = {}
    text = fold(answer.query.text)
    for number, word in enumerate(asked):
        # A prompt that the encoder puts before a query is no word of it.
        if fold(word) not in text or analyser.is_stop(analyser.term(word)):
            continue
        pieces = np.flatnonzero(asked_of == number)
        best = there[there_of[int(likeness[pieces].max(axis=0).argmax())]]
        part = float(np.average(likeness[pieces].max(axis=1), weights=query.weights[pieces]))
        if best != _UNKNOWN:
            found.setdefault(word, Nearest(word, best, part))
    return tuple(found.values())


def _spelt(pieces: Sequence[str]) -> tuple[list[str], Rows]:
    """Words put together from their pieces, and which word each piece belongs to: int64 [n_pieces]."""
    words: list[str] = []
    belongs = []
    for piece in pieces:
        if piece.startswith("##") and words:
            words[-1] += piece[2:]
        else:
            words.append(piece)
        belongs.append(len(words) - 1)
    return words, np.array(belongs, dtype=np.int64)
