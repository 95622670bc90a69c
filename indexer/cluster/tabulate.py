"""This module makes the tables of a generation: what readers on an engine load as a whole (see ``book``)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from io import BytesIO
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from indexer.cluster.entities import Measures
from indexer.impacts import Impacts
from indexer.pairs import evenly_spread
from indexer.postings import ALL_FIELDS, Postings
from indexer.store import Index
from indexer.telling import HOLDERS, telling
from indexer.tokens import POSITION_BITS

_AS_THEY_ARE = ("manifest.json", "centroid.npy", "whitening.npy", "adapter.safetensors")
_FOLDERS = ("words", "acronyms")
_SAMPLES = {"samples.npy": 256, "samples64.npy": 64}


def tables_of(index: Index, measures: Measures, numbers: Sequence[int]) -> dict[str, bytes]:
    """The files of ``index``'s tables by their names; ``numbers`` are its notes' primary keys on the shelf."""
    impacts, late = index.impacts, index.late
    names = [*_AS_THEY_ARE, *(name for name in index.manifest.files if name.split("/")[0] in _FOLDERS)]
    tables = {name: index.path(name).read_bytes() for name in sorted(names) if index.path(name).is_file()}
    tables |= _lexicon("lexicon", impacts, measures.dims)
    tables["lexicon/telling.npy"] = _npy(_tellings(index))
    if index.grams is not None:
        tables |= _lexicon("grams", index.grams, measures.run_dims)
    tables |= {f"fields/{name}.npy": _npy(array) for name, array in _fields(index.postings).items()}
    if late is not None:
        tables |= {"late/mean.npy": _npy(late.mean), "late/rarity.npy": _npy(late.rarity)}
    rows = np.array(numbers, dtype=np.int64)
    for name, count in _SAMPLES.items():
        tables[name] = _npy(rows[evenly_spread(len(index), count)])
    topics = {str(number): topic for topic, number in sorted(measures.topics.items(), key=lambda item: item[1])}
    tables["topics.json"] = json.dumps(topics, ensure_ascii=False).encode("utf-8")
    return tables


def _lexicon(folder: str, impacts: Impacts, dims: Mapping[str, int]) -> dict[str, bytes]:
    words = impacts.vocabulary.words()
    arrays: dict[str, npt.NDArray[Any]] = {
        "terms": impacts.terms,
        "term_starts": impacts.term_starts,
        "frequency": np.diff(impacts.starts).astype(np.int32),
        "dims": np.array([dims[word] for word in words], dtype=np.uint32),
    }
    return {f"{folder}/{name}.npy": _npy(array) for name, array in arrays.items()}


def _tellings(index: Index) -> npt.NDArray[np.float32]:
    """How far each term is about something; see ``indexer.telling``."""
    impacts, meaning = index.impacts, index.manifest.spreads.meaning
    vectors = np.asarray(index.vectors)
    found = np.empty(len(impacts), dtype=np.float32)
    for number, (begin, end) in enumerate(pairwise(impacts.starts.tolist())):
        rows = impacts.rows[begin:end]
        found[number] = telling(vectors[rows[evenly_spread(len(rows), HOLDERS)]], meaning)
    return found


def _fields(postings: Postings) -> dict[str, npt.NDArray[Any]]:
    """The arrays of postings in which every term stands once in each of its fields, in the only note."""
    terms = np.repeat(np.arange(len(postings.vocabulary)), np.diff(postings.starts))
    fields = postings.places >> np.uint32(POSITION_BITS)
    pairs = np.unique(terms * len(ALL_FIELDS) + fields)
    counts = np.bincount(pairs // len(ALL_FIELDS), minlength=len(postings.vocabulary))
    return {
        "terms": postings.terms,
        "term_starts": postings.term_starts,
        "starts": np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        "rows": np.zeros(len(pairs), dtype=np.int32),
        "places": (pairs % len(ALL_FIELDS)).astype(np.uint32) << np.uint32(POSITION_BITS),
    }


def _npy(array: npt.NDArray[Any]) -> bytes:
    file = BytesIO()
    np.save(file, np.ascontiguousarray(array), allow_pickle=False)
    return file.getvalue()
