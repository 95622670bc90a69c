"""This module reads and writes the manifest: the one file that says what an index is made of."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from indexer.adapters import Tuning
from indexer.analysis import Analyser
from indexer.calibration import Calibration
from indexer.errors import IndexCorruptError, IndexNotFoundError, IndexVersionError
from indexer.impacts import Bm25
from indexer.pairs import PairSpreads
from indexer.protocols import EncoderInfo
from indexer.whitening import Whitening

FORMAT = 3
MANIFEST = "manifest.json"
GENERATION = re.compile(r"[0-9]{6}-[0-9a-f]{8}")
_INSIDE = re.compile(r"[a-z_]+(?:[./][a-z_]+)*")  # what a file of a generation is called: nothing leads out of it
_UNSEALED = "0" * 64
_ALWAYS_THERE = {"notes.jsonl", "notes.starts.npy", "notes.by_id.npy", "topics.npy", "vectors.npy", "centroid.npy"}


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a generation is made of.  ``files`` maps each file to its size, CRC-32 and SHA-256."""

    generation: str
    created: str  # ISO 8601, UTC
    n_notes: int
    inputs: list[str]  # the paths that were read, relative to the index's folder
    sources: list[dict[str, Any]]
    analyser: Analyser
    bm25: Bm25
    encoder: EncoderInfo
    spreads: PairSpreads
    calibration: Calibration | None  # None in a collection too small for one
    whitening: Whitening | None  # the same
    wants_tokens: bool  # whether token vectors are kept where they can be
    tuning: Tuning | None  # None where it was not asked for
    has_late: bool
    has_grams: bool
    has_codes: bool
    drift: int  # notes changed since the whole collection was learned from; 0 but in large ones
    files: dict[str, dict[str, Any]]

    def to_json(self) -> str:
        """The text of manifest.json."""
        record = {
            "generation": self.generation,
            "created": self.created,
            "notes": self.n_notes,
            "inputs": self.inputs,
            "sources": self.sources,
            "analyser": {"language": self.analyser.language, "stop_words": list(self.analyser.stop_words)},
            "bm25": self.bm25.as_dict(),
            "encoder": self.encoder.as_dict(),
            "pairs": self.spreads.as_dict(),
            "calibration": self.calibration.as_dict() if self.calibration else None,
            "whitening": self.whitening.as_dict() if self.whitening else None,
            "tokens": self.wants_tokens,
            "tuning": self.tuning.as_dict() if self.tuning else None,
            "late": self.has_late,
            "grams": self.has_grams,
            "codes": self.has_codes,
            "drift": self.drift,
            "files": self.files,
        }
        return sealed(record)


def sealed(record: dict[str, Any], number: int = FORMAT) -> str:
    """The text of a manifest.json of the format ``number`` that says ``record``: with a checksum, which is the SHA-256
    of the text that has 64 zeros in its place."""
    values = {"format": number, "checksum": _UNSEALED, **record}
    text = json.dumps(values, ensure_ascii=False, indent=1) + "\n"
    return text.replace(_UNSEALED, sha256(text.encode("utf-8")).hexdigest(), 1)


def _seal_holds(text: str, checksum: object) -> bool:
    if not isinstance(checksum, str) or len(checksum) != len(_UNSEALED):
        return False
    return sha256(text.replace(checksum, _UNSEALED, 1).encode("utf-8")).hexdigest() == checksum


def read_manifest(folder: Path) -> Manifest:
    """The manifest of the index in ``folder``.

    Raises IndexNotFoundError, IndexVersionError (another on-disk format) or IndexCorruptError.
    """
    try:
        if (folder / MANIFEST).exists() and not (folder / MANIFEST).is_file():
            raise IndexCorruptError(folder, f"{MANIFEST} is no file")
        text = (folder / MANIFEST).read_bytes().decode("utf-8")
    except (FileNotFoundError, NotADirectoryError):
        raise IndexNotFoundError(folder) from None
    except (UnicodeDecodeError, OSError) as error:
        raise IndexCorruptError(folder, f"{MANIFEST} cannot be read ({error})") from error
    try:
        record = json.loads(text)
        if not isinstance(record, dict) or "format" not in record:
            raise ValueError("it states no format")
        if record["format"] != FORMAT:
            raise IndexVersionError(folder, record["format"], FORMAT)
        if not _seal_holds(text, record.get("checksum")):
            raise ValueError("it differs from what was written")
        manifest = Manifest(
            generation=str(record["generation"]),
            created=str(record["created"]),
            n_notes=record["notes"],
            inputs=[str(path) for path in record["inputs"]],
            sources=_sources(record["sources"]),
            analyser=Analyser(record["analyser"]["language"], tuple(record["analyser"]["stop_words"])),
            bm25=Bm25.from_dict(record["bm25"]),
            encoder=EncoderInfo.from_dict(record["encoder"]),
            spreads=PairSpreads.from_dict(record["pairs"]),
            calibration=Calibration(**record["calibration"]) if record["calibration"] else None,
            whitening=Whitening(**record["whitening"]) if record["whitening"] else None,
            wants_tokens=record["tokens"],
            tuning=Tuning(**record["tuning"]) if record["tuning"] else None,
            has_late=record["late"],
            has_grams=record["grams"],
            has_codes=record["codes"],
            drift=int(record["drift"]),
            files=_entries(record["files"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise IndexCorruptError(folder, f"{MANIFEST} is not a manifest ({error})") from error
    if not manifest.inputs or "" in manifest.inputs:
        raise IndexCorruptError(folder, f"{MANIFEST} does not say what was read")
    if not GENERATION.fullmatch(manifest.generation):
        raise IndexCorruptError(folder, f"{MANIFEST} names an impossible generation")
    for name in manifest.files:
        if not _INSIDE.fullmatch(name):
            raise IndexCorruptError(folder, f"{MANIFEST} names an impossible file {name[:80]!r}")
    if not manifest.files.keys() >= _ALWAYS_THERE:
        raise IndexCorruptError(folder, f"{MANIFEST} does not list {min(_ALWAYS_THERE - manifest.files.keys())}")
    return manifest


def _entries(record: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    kinds = {"bytes": int, "crc32": int, "sha256": str}
    return {name: {key: kind(entry[key]) for key, kind in kinds.items()} for name, entry in record.items()}


def _sources(records: Any) -> list[dict[str, Any]]:
    """Those that were read, each checked for what is shown of it.  Raises ValueError or KeyError."""
    for record in records:
        cluster = record["cluster"]
        shown = [record["path"], record["sha256"], *([cluster["title"]] if cluster is not None else [])]
        if not isinstance(records, list) or type(record["notes"]) is not int or {type(text) for text in shown} != {str}:
            raise ValueError("a source is none")
    return list(records)


def published_generation(folder: Path) -> str | None:
    """The generation that the manifest in ``folder`` names, whatever else is wrong with it, or None."""
    name = (_said(folder) or {}).get("generation")
    return name if isinstance(name, str) and GENERATION.fullmatch(name) else None


@dataclass(frozen=True, slots=True)
class Choices:
    """What the builder of an index chose, as far as a manifest of another format, or a damaged one, says it."""

    inputs: list[str]  # as in a manifest; [] where it does not say
    language: str | None = None
    encoder: str | None = None
    tokens: bool | None = None
    tune: bool | None = None  # True where notes taught the encoder, which is to be done again


def stated_choices(folder: Path) -> Choices | None:
    """The choices of whoever built the index in ``folder``, whatever else is wrong; None where there is none."""
    said = _said(folder)
    if said is None:
        return None
    inputs, encoder, tokens = said.get("inputs"), _mapping(said.get("encoder")), said.get("tokens")
    language, name = _mapping(said.get("analyser")).get("language"), encoder.get("name")
    known = isinstance(inputs, list) and all(isinstance(path, str) and path for path in inputs)
    return Choices(
        inputs=inputs if known and inputs else [],
        language=language if language in Analyser.languages() else None,
        encoder=name if isinstance(name, str) and encoder.get("runtime") != "custom" else None,
        tokens=tokens if isinstance(tokens, bool) else None,
        tune=True if isinstance(said.get("tuning"), dict) else None,
    )


def _said(folder: Path) -> Mapping[str, Any] | None:
    """What the manifest in ``folder`` says, of whatever format; nothing where it cannot be read, None where there is
    none."""
    try:
        return _mapping(json.loads((folder / MANIFEST).read_text(encoding="utf-8")))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, RecursionError):
        return {}


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
