"""This module cuts what a browser needs to search into small files, so that an answer loads only what it asks for.

Each file is a classic script, `Kindred.receive(NAME, VALUE);`, because pages opened from a disk may load scripts and
nothing else.

    core.js        how many notes and topics, the topic of each note, stop words, and with which word each shard begins
    words-N.js     [word, notes that hold it, its term, packed postings, acronyms], sorted; about 2.5 KB
    spelling-N.js  all words, those of the encoder too, front-coded: what spelling needs
    notes-N.js     [title, description, topic, page, id] of four notes, for hits
    related-N.js   the related notes of four notes

Notes are numbered by their sorted ids ("places"), so that equal scores settle by number, as in the product's rankings.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from indexer import Index

FORMAT = 1
PER_SHARD = 4  # notes a file: ten hits then take about 18 KB
_WORDS = 2_500  # characters of a shard of words: a query of ten words loads ten of them
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"  # of base 36
_SPELLING = 8_000  # of the words that begin with one letter; every one of them is compared

Places = npt.NDArray[np.int32]  # [n_notes] row -> where its id stands among the sorted ids
File = tuple[str, str]  # name below the site's folder data, without ".js"; text


def script(name: str, value: Any) -> str:
    """The script that hands ``value`` to the page; safe wherever a script may stand."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for unsafe in ("<", "\u2028", "\u2029"):
        text = text.replace(unsafe, f"\\u{ord(unsafe):04x}")
    return f"Kindred.receive({json.dumps(name)},{text});\n"


def search_files(index: Index, pages: Sequence[str], topics: Sequence[str]) -> Iterator[File]:
    """Every file that a search reads.  ``pages`` are the names of the notes' pages by row, ``topics`` all topics."""
    words = list(_cut(_words(index), _WORDS))
    spelling = list(_spelling(index))
    numbers = {topic: number for number, topic in enumerate(topics)}
    analyser = index.manifest.analyser
    rows = np.argsort(index.id_ranks)
    notes = [index.note(row) for row in rows.tolist()]
    core = {
        "format": FORMAT,
        "language": analyser.language,
        "stops": sorted({analyser.term(word) for word in analyser.stop_words}),
        "notes": len(index),
        "perShard": PER_SHARD,
        "topics": list(topics),
        "topicOf": _base64(
            np.array([numbers[note.topic] for note in notes], dtype="<u2" if len(topics) > 256 else "u1")
        ),
        "words": [shard[0][0] for shard in words],
        "spelling": [first for first, _ in spelling],
    }
    yield "core", script("core", core)
    for number, shard in enumerate(words):
        yield f"words-{number}", script(f"words-{number}", shard)
    for number, (_, text) in enumerate(spelling):
        yield f"spelling-{number}", script(f"spelling-{number}", text)
    records = [
        _trimmed(
            [note.title, note.description, numbers[note.topic], pages[row], note.id if note.id != pages[row] else ""]
        )
        for row, note in zip(rows.tolist(), notes, strict=True)
    ]
    yield from in_fours("notes", records)


def in_fours(name: str, records: Sequence[Any]) -> Iterator[File]:
    """``records``, one a note in the order of places, four to a file."""
    for number in range(0, len(records), PER_SHARD):
        file = f"{name}-{number // PER_SHARD}"
        yield file, script(file, records[number : number + PER_SHARD])


def _words(index: Index) -> list[list[Any]]:
    """Every word of the notes and every term, in the order of UTF-16 units, by which JavaScript compares."""
    analyser, impacts = index.manifest.analyser, index.impacts
    vocabulary = index.words.vocabulary
    held = {vocabulary[number]: int(index.words.notes[number]) for number in np.flatnonzero(index.words.notes).tolist()}
    postings = {
        impacts.term(number): _packed(index.id_ranks, *impacts.postings(number)) for number in range(len(impacts))
    }
    acronyms = _acronyms(index)
    records = []
    for word in sorted({*held, *postings, *acronyms}, key=_units):
        term = analyser.term(word) if word in held else word
        known = ["" if term == word else term, postings.get(word, ""), acronyms.get(word, [])]
        records.append(_trimmed([word, held.get(word, 0), *known]))
    return records


def _acronyms(index: Index) -> Mapping[str, list[list[str]]]:
    """The first term of each acronym or long form, in small letters -> [its terms, what stands for it] of each."""
    found: dict[str, list[list[str]]] = {}
    lines = index.acronyms.lines
    for key in dict.fromkeys(lines[number].partition("\t")[0] for number in range(len(lines))):
        partner = index.acronyms.partner(key)
        found.setdefault(key.partition(" ")[0].lower(), []).append([key, partner or ""])
    return found


def _packed(places: Places, rows: npt.NDArray[np.int32], values: npt.NDArray[np.float32]) -> str:
    """Postings in base64: how many, then the gaps between places as numbers of 7 bits a byte (the eighth says that
    more follow), then the impacts as float32, bit for bit."""
    order = np.argsort(places[rows])
    packed = bytearray()
    for number in (len(rows), *np.diff(places[rows][order], prepend=0).tolist()):
        while number > 127:
            packed.append(number & 127 | 128)
            number >>= 7
        packed.append(number)
    return base64.b64encode(bytes(packed) + values[order].astype("<f4").tobytes()).decode("ascii")


def _spelling(index: Index) -> Iterator[tuple[str, str]]:
    """Shards of all words that begin with a letter, cut between first letters: the first letter, and the words with
    spaces between, each as the letters that it shares with the one before (in base 36), the rest, and behind a colon
    how many notes hold it."""
    vocabulary, notes = index.words.vocabulary, index.words.notes
    counts = {vocabulary[number]: int(notes[number]) for number in range(len(vocabulary))}
    parts: list[str] = []
    first = before = ""
    for word in sorted((word for word in counts if word[0].isalpha()), key=_units):
        if word[:1] != before[:1] and sum(map(len, parts)) > _SPELLING:
            yield first, " ".join(parts)
            parts, before = [], ""
        if not parts:
            first = word[0]
        shared = min(_in_common(before, word), len(_DIGITS) - 1)
        parts.append(_DIGITS[shared] + word[shared:] + (f":{counts[word]}" if counts[word] else ""))
        before = word
    if parts:
        yield first, " ".join(parts)


def _cut(records: Sequence[list[Any]], size: int) -> Iterator[list[list[Any]]]:
    """Runs of records of about ``size`` characters each."""
    shard: list[list[Any]] = []
    filled = 0
    for record in records:
        length = len(json.dumps(record, ensure_ascii=False))
        if shard and filled + length > size:
            yield shard
            shard, filled = [], 0
        shard.append(record)
        filled += length
    if shard:
        yield shard


def _trimmed(record: list[Any]) -> list[Any]:
    """``record`` without what is empty at its end."""
    while record and not record[-1]:
        record = record[:-1]
    return record


def _in_common(one: str, other: str) -> int:
    shorter = min(len(one), len(other))
    return next((place for place in range(shorter) if one[place] != other[place]), shorter)


def _units(text: str) -> bytes:
    return text.encode("utf-16-be")


def _base64(array: npt.NDArray[Any]) -> str:
    return base64.b64encode(array.tobytes()).decode("ascii")
