"""This module makes the rows of a shelf and a store out of the notes of an index in a folder.

A row depends on its note, its vectors and the ``Measures`` alone, so that notes can be added without touching others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from indexer.cluster.engine import Row
from indexer.cluster.shelf import (
    EMPTY,
    FOREVER,
    held_list,
    held_number,
    pack_said,
    pack_tokens,
    store_rows,
)
from indexer.grams import compile_grams, gram_lengths
from indexer.impacts import Impacts, Scores, average_length, compile_impacts
from indexer.postings import ALL_FIELDS, TAG, Postings, collect
from indexer.store import Index
from indexer.tokens import POSITION, POSITION_BITS, tokenise
from indexer.vectors import Rows

_BLOCK = 5000  # notes whose runs of letters are counted at once


@dataclass(frozen=True, slots=True)
class Measures:
    """What the rows of one shelf are made by."""

    averages: Mapping[str, float]  # mean number of ranked terms a field
    run_averages: Mapping[str, float]  # the same of runs of letters; empty where they are not kept
    dims: Mapping[str, int]  # term -> dimension in ``words``, at least 1
    run_dims: Mapping[str, int]
    topics: Mapping[str, int]  # topic -> number, at least 1


def averages_of(index: Index) -> tuple[dict[str, float], dict[str, float]]:
    """The mean lengths of the ranked fields in ranked terms, and in runs of letters where the index keeps them."""
    averages = word_averages(index)
    if index.grams is None:
        return averages, {}
    analyser = index.manifest.analyser
    totals = dict.fromkeys(averages, 0)
    for begin in range(0, len(index), _BLOCK):
        notes = [index.note(row) for row in range(begin, min(begin + _BLOCK, len(index)))]
        found = gram_lengths(tokenise(notes, analyser), analyser)
        totals = {field: total + found[field] for field, total in totals.items()}
    return averages, {field: average_length(float(total), len(index)) for field, total in totals.items()}


def word_averages(index: Index) -> dict[str, float]:
    """The mean lengths of the ranked fields in ranked terms."""
    manifest, postings = index.manifest, index.postings
    ranked = np.ones(len(postings.rows), dtype=np.bool_)
    for term in manifest.analyser.stop_terms:
        number = postings.vocabulary.find(term)
        if number is not None:
            ranked[int(postings.starts[number]) : int(postings.starts[number + 1])] = False
    lengths = np.bincount(postings.places[ranked] >> np.uint32(POSITION_BITS), minlength=len(ALL_FIELDS))
    return {
        field: average_length(float(lengths[ALL_FIELDS.index(field)]), len(index)) for field in manifest.bm25.fields
    }


def digests_of(index: Index) -> npt.NDArray[np.uint8]:
    """What each row of a shelf and a store depends on besides the ``Measures``, in 16 bytes: uint8 [n_notes, 16]."""
    digests = bytearray()
    lines, starts = index.lines(0, len(index))
    for row, (begin, end) in enumerate(pairwise(starts.tolist())):
        digest = blake2b(lines[begin:end], digest_size=16)
        digest.update(index.vectors[row].tobytes())
        if index.late is not None:
            digest.update(pack_tokens(index.late.states(row)))
        digests += digest.digest()
    return np.frombuffer(bytes(digests), dtype=np.uint8).reshape(len(index), 16)


def entities(
    index: Index,
    measures: Measures,
    rows: Rows,
    numbers: Sequence[int],
    places: Sequence[float],
    since: int,
    hubs: Scores | None,
) -> tuple[list[Row], list[Row]]:
    """The rows of the shelf and those of the store for some notes of ``index``, in the order of ``rows``.

    ``numbers`` are the primary keys that they get, ``places`` where they stand among all notes, ``since`` the
    generation that holds them first, and ``hubs`` float32 [n_notes] how near each note is to everything.
    """
    analyser, bm25 = index.manifest.analyser, index.manifest.bm25
    notes = [index.note(row) for row in rows.tolist()]
    tokens = tokenise(notes, analyser)
    postings = collect(tokens, notes)
    said = compile_impacts(postings, analyser, bm25, measures.averages)
    words = list(_sparse(said, measures.dims))
    runs: list[_Sparse] | None = None
    if index.grams is not None:
        runs = list(
            _sparse(compile_grams(tokens, len(notes), analyser, bm25, measures.run_averages), measures.run_dims)
        )
    shelf, store = [], []
    for place, held in enumerate(held_numbers(postings)):
        row, note, (dims, saturated, counts) = int(rows[place]), notes[place], words[place]
        entity: Row = {
            "row": numbers[place],
            "since": since,
            "until": FOREVER,
            "name": note.id,
            "named": held_number("id", note.id),
            "place": places[place],
            "topic": measures.topics[note.topic] if note.topic else 0,
            "hub": float(hubs[row]) if hubs is not None else 0.0,
            "held": held_list(held),
            "vector": index.vectors[row],
            "words": dict(zip(dims.tolist(), saturated.tolist(), strict=True)) or EMPTY,
        }
        if runs is not None:
            entity["runs"] = dict(zip(runs[place][0].tolist(), runs[place][1].tolist(), strict=True)) or EMPTY
        shelf.append(entity)
        line, _ = index.lines(row, row + 1)
        kept = {"note": line, "said": pack_said(dims, saturated, counts)}
        if index.late is not None:
            kept["late"] = pack_tokens(index.late.states(row))
        store += store_rows(numbers[place], kept)
    return shelf, store


_Sparse = tuple[npt.NDArray[np.uint32], Scores, Scores]


def _sparse(impacts: Impacts, dims: Mapping[str, int]) -> Iterator[_Sparse]:
    """Of each note its dimensions, ascending, with saturations, and counts in title and description."""
    known = np.array([dims[word] for word in impacts.vocabulary.words()], dtype=np.uint32)
    owners = np.repeat(np.arange(impacts.n_notes), np.diff(impacts.note_starts))
    numbers = known[impacts.note_terms]
    order = np.lexsort((numbers, owners))
    for begin, end in pairwise(impacts.note_starts.tolist()):
        part = order[begin:end]
        yield numbers[part], impacts.note_values[part], impacts.note_counts[part]


def held_numbers(postings: Postings) -> Iterator[npt.NDArray[np.int64]]:
    """Of each note the distinct ``held_number`` of every term of a field, of every two that follow each other there,
    and of every tag, ascending."""
    words = postings.vocabulary.words()
    terms = np.repeat(np.arange(len(words)), np.diff(postings.starts))
    order = np.lexsort((postings.places, postings.rows))
    terms, rows, places = terms[order], postings.rows[order], postings.places[order]
    fields = (places >> np.uint32(POSITION_BITS)).astype(np.int64)
    # no word stands before the first one of a text, whose position is 0
    follows = (rows[1:] == rows[:-1]) & (np.diff(places.astype(np.int64)) == 1) & (fields[1:] != TAG)
    follows &= places[1:] & np.uint32(POSITION) > 0
    single, which = np.unique(fields * len(words) + terms, return_inverse=True)
    hashes = np.array(
        [held_number(ALL_FIELDS[key // len(words)], words[key % len(words)]) for key in single.tolist()], dtype=np.int64
    )
    twice, which_two = np.unique(
        (fields[1:] * len(words) + terms[:-1])[follows] * len(words) + terms[1:][follows], return_inverse=True
    )
    pairs = np.array([_pair_number(words, key) for key in twice.tolist()], dtype=np.int64)
    numbers = np.concatenate([hashes[which], pairs[which_two]])
    owners = np.concatenate([rows, rows[1:][follows]])
    order = np.lexsort((numbers, owners))
    numbers, ends = numbers[order], np.cumsum(np.bincount(owners, minlength=postings.n_notes)).tolist()
    for begin, end in pairwise([0, *ends]):
        yield np.unique(numbers[begin:end])


def _pair_number(words: Sequence[str], key: int) -> int:
    first, second = divmod(key, len(words))
    field, first = divmod(first, len(words))
    return held_number(ALL_FIELDS[field], words[first], words[second])
