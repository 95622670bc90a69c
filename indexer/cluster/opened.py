"""This module opens a generation on an engine: its tables, and its notes by their ids and places."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from indexer.acronyms import Acronyms, load_acronyms
from indexer.adapters import Adapter, load_adapter
from indexer.analysis import tag_term
from indexer.bert import Vectors
from indexer.cluster.book import Published
from indexer.cluster.engine import Engine
from indexer.cluster.filters import all_of
from indexer.cluster.legs import DEEPEST
from indexer.cluster.records import EngineLate, Records, damaged
from indexer.cluster.shelf import held_number
from indexer.cluster.standing import Standing
from indexer.cluster.tables import Lexicon, load_lexicon
from indexer.demands import Begins, InTopic, Leaf, Near
from indexer.manifest import Manifest, read_manifest
from indexer.matching import terms_for
from indexer.notes import Note
from indexer.pairs import evenly_spread
from indexer.postings import Postings, load_postings
from indexer.vectors import Rows
from indexer.words import Words, load_words

_ALL_NAMES = 20_000  # notes up to which the neighbours of an id are looked for among all ids
_NEARBY = 1_000  # ids that are looked at otherwise
_FEW, _MANY = 64, 256  # rows that the tables name as samples


class Opened:
    """The half of ``indexer.home.Home`` that finds notes by ids and places, and what filters are written with."""

    def __init__(self, engine: Engine, published: Published, tables: Path) -> None:
        self._plain, self._standing = engine, Standing(engine, published)
        self.engine, self.published = self._standing.engine, published
        self.shelf, self.live = published.shelf, published.living
        self._tables = tables
        self._hubs: dict[int, float] = {}  # what was found out of notes; 100 bytes each
        manifest = read_manifest(tables)
        self.manifest: Manifest = manifest
        dim = manifest.encoder.dim
        try:
            self.centroid: Vectors = self._array("centroid")
            self.words: Words = load_words(tables / "words")
            self.acronyms: Acronyms = load_acronyms(tables / "acronyms")
            self.lexicon: Lexicon = load_lexicon(tables / "lexicon", len(self))
            self._telling = self._array("lexicon/telling")
            self._grams = load_lexicon(tables / "grams", len(self)) if manifest.has_grams else None
            self._fields: Postings = load_postings(tables / "fields", 1)
            turned = manifest.whitening is not None and manifest.whitening.helps
            self._whitening = self._array("whitening") if turned else None
            tuned = manifest.tuning is not None and manifest.tuning.helps
            self.adapter: Adapter | None = load_adapter(tables / "adapter.safetensors") if tuned else None
            mean = self._array("late/mean") if manifest.has_late else None
            named = json.loads((tables / "topics.json").read_bytes())
            self._topic_names = {0: "", **{int(number): str(name) for number, name in named.items()}}
            self._samples = {count: self._array(name) for count, name in ((_FEW, "samples64"), (_MANY, "samples"))}
        except (OSError, ValueError, KeyError, AttributeError) as error:
            raise damaged(self.engine, str(error)) from error
        if self.centroid.shape != (dim,) or len(self._telling) != len(self.lexicon):
            raise damaged(self.engine, "its tables do not fit each other")
        self._records = Records(self.engine, self.shelf, published.store, self.lexicon, mean)
        self.late: EngineLate | None = None
        if mean is not None:
            self.late = EngineLate(self._records, mean, self._array("late/rarity"), len(self))

    def table(self, name: str) -> Path:
        """Where a table of this generation lies on this machine."""
        return self._tables / name

    def _array(self, name: str) -> npt.NDArray[Any]:
        return np.asarray(np.load(self._tables / f"{name}.npy", mmap_mode="r", allow_pickle=False))

    def __len__(self) -> int:
        return self.published.n_notes

    def where(self) -> str:
        """See ``Home.where``."""
        return str(self.engine.address)

    @cached_property
    def is_indexed(self) -> bool:
        """Whether the engine has an index of all vectors; where not, all are compared."""
        return self.engine.is_indexed(self.shelf)

    @property
    def edition(self) -> str:
        """See ``Home.edition``: what an engine lost is published again, as the same generation."""
        return f"{self.published.generation}-{self.published.number}"

    def is_current(self) -> bool:
        """See ``Home.is_current``; what the engine said holds for a second."""
        return self._standing.is_current()

    def ensure_kept(self) -> None:
        """See ``Home.ensure_kept``."""
        self._standing.ensure_kept()

    # Notes

    def note(self, row: int) -> Note:
        """See ``Home.note``."""
        return self._records.notes([row])[0]

    def read_ahead(self, rows: Rows) -> None:
        """See ``Home.read_ahead``."""
        self._records.notes(rows.tolist())

    def notes(self) -> Iterator[Note]:
        """See ``Home.notes``."""
        rows = self.rows()
        for begin in range(0, len(rows), _NEARBY):
            yield from self._records.notes(rows[begin : begin + _NEARBY].tolist())

    def notes_between(self, first: int, last: int) -> list[Note]:
        """See ``Home.notes_between``."""
        return self._records.notes(self.rows()[first:last].tolist())

    def rows(self) -> Rows:
        """See ``Home.rows``; asked of the engine once."""
        return self._rows

    @cached_property
    def _rows(self) -> Rows:
        found = self.in_order("")
        if len(found) != len(self):
            raise damaged(self.engine, f"it holds {len(found)} notes, expected {len(self)}")
        return found

    def in_order(self, passed: str) -> Rows:
        """The rows that pass a filter, in the order of the notes."""
        filter = all_of([self.live, passed])
        found = [row for rows in self.engine.walk(self.shelf, filter, ["row", "place"]) for row in rows]
        found.sort(key=lambda row: (row["place"], row["row"]))
        return np.array([row["row"] for row in found], dtype=np.int64)

    def sample(self, count: int) -> Rows:
        """See ``Home.sample``."""
        rows = self._samples[_FEW if count <= _FEW else _MANY]
        return rows if len(rows) <= count else rows[evenly_spread(len(rows), count)]

    def row_of(self, note_id: str) -> int | None:
        """See ``Home.row_of``."""
        filter = all_of([self.live, f"named == {held_number('id', note_id)}"])
        for found in self.engine.fetch(self.shelf, filter, ["row", "name"]):
            if found["name"] == note_id:
                return int(found["row"])
        return None

    def ids_around(self, prefix: str, before: int, after: int) -> list[str]:
        """See ``Home.ids_around``; of many notes only those whose ids begin as ``prefix`` does are looked at, and a
        thousand of these."""
        ids = self._sorted_ids if len(self) <= _ALL_NAMES else self._ids_like(prefix, before + after)
        place = bisect_left(ids, prefix)
        return ids[max(place - before, 0) : place + after]

    @cached_property
    def _sorted_ids(self) -> list[str]:
        return sorted(self._records.names(self.rows().tolist()))

    def _ids_like(self, prefix: str, wanted: int) -> list[str]:
        plain = "".join(letter for letter in prefix if letter.isalnum() or letter == "-")
        for size in range(len(plain), 0, -1):
            filter = all_of([self.live, f"name like '{plain[:size]}%'"])
            found = self.engine.fetch(self.shelf, filter, ["name"], _NEARBY)
            if len(found) >= min(wanted, 3):
                return sorted(str(one["name"]) for one in found)
        return []

    def id_order(self, rows: Rows) -> npt.NDArray[np.int32]:
        """See ``Home.id_order``."""
        names = self._records.names(rows.tolist())
        order = np.empty(len(rows), dtype=np.int32)
        order[sorted(range(len(names)), key=names.__getitem__)] = np.arange(len(rows), dtype=np.int32)
        return order

    def terms_for(self, leaves: Sequence[Leaf]) -> list[str]:
        """See ``Home.terms_for``."""
        return terms_for(self._fields, leaves)

    # What filters are written with (indexer/cluster/filters.py)

    def matching(self, filter: str, limit: int) -> list[int]:
        """Up to ``limit`` rows of this generation that pass a filter, ascending."""
        filter = all_of([self.live, filter])
        if limit <= DEEPEST:
            return sorted(int(one["row"]) for one in self.engine.fetch(self.shelf, filter, ["row"], limit))
        found: list[int] = []
        for rows in self.engine.walk(self.shelf, filter, ["row"], DEEPEST):
            found += [int(one["row"]) for one in rows]
            if len(found) >= limit:
                break
        return sorted(found[:limit])

    def negates(self) -> bool:
        """Whether the engine understands "not (…)"."""
        return self.engine.can_negate(self.shelf)

    def long_rows(self) -> Sequence[int]:
        """The rows whose numbers are not all kept."""
        return self._long_rows

    @cached_property
    def _long_rows(self) -> list[int]:
        return self.matching("array_contains(held, 0)", max(len(self), 1))

    def texts(self, rows: Sequence[int]) -> list[Note]:
        """The notes of rows, in their order."""
        return self._records.notes(rows)

    def topics_of_name(self, demand: InTopic) -> list[int]:
        """The numbers of the topics that are called so."""
        return demand.numbers(self._topic_names)

    def expanded(self, leaf: Begins | Near) -> list[str]:
        """The terms that a pattern stands for in its field."""
        return self.terms_for([leaf])

    def terms_of(self, note: Note, field: str) -> list[str]:
        """The terms of a field of a note, in order; its tags."""
        if field == "tag":
            return [tag_term(tag) for tag in note.tags]
        return [token.term for token in self.manifest.analyser.tokens(getattr(note, field))]
