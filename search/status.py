"""This module says how an index is: what it holds, whether it is sound, whether its notes changed since."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from indexer import (
    EncoderError,
    Home,
    NoteChanges,
    SourceError,
    changes_on_disk,
    examined,
)
from search.display import count, safe
from search.searcher import Searcher

if TYPE_CHECKING:
    from indexer import Changes, Place


def describe(index: Home) -> dict[str, Any]:
    """JSON-ready facts about an index."""
    manifest = index.manifest
    tuning = manifest.tuning
    topics = Counter(note.topic for note in index.notes() if note.topic)
    return {
        "generation": manifest.generation,
        "created": manifest.created,
        "notes": len(index),
        "topics": dict(topics),
        "inputs": manifest.inputs,
        "sources": manifest.sources,
        "language": manifest.analyser.language,
        "terms": len(index.lexicon),
        "encoder": {
            "name": manifest.encoder.name,
            "runtime": manifest.encoder.runtime,
            "dimensions": manifest.encoder.dim,
            "fingerprint": manifest.encoder.fingerprint,
        },
        "tuning": {**tuning.as_dict(), "kept": tuning.helps, "outcome": tuning.sentence()} if tuning else None,
        "approximate": manifest.has_codes,
        "tokens": manifest.has_late,
        "whitening": manifest.whitening.as_dict() | {"used": manifest.whitening.helps} if manifest.whitening else None,
        "bytes": sum(entry["bytes"] for entry in manifest.files.values()),
    }


def describe_text(facts: dict[str, Any], fresh: str) -> str:
    """The same for people, a line a fact; ``fresh`` is the line of ``freshness_text``."""
    encoder = facts["encoder"]
    lines = [
        f"{count(facts['notes'], 'note')} in {count(len(facts['topics']), 'topic')}, "
        f"from {count(len(facts['sources']), 'file')} in {', '.join(facts['inputs'])}",
        f"generation {facts['generation']}, built {facts['created']}, {facts['bytes'] / 1e6:.1f} MB",
        fresh,
        f"words: {facts['terms']} terms, {facts['language']}",
        f"meaning: {encoder['name']}, {encoder['dimensions']} dimensions, run by {encoder['runtime']}, "
        + ("found by 2-bit codes" if facts["approximate"] else "searched exactly")
        + (", the best looked at token by token" if facts["tokens"] else ""),
    ]
    learned = facts["whitening"]
    if learned:
        lines.append(
            f"whitening: {'used' if learned['used'] else 'not used'}; {learned['pairs']} held-out titles find their "
            f"descriptions at a mean reciprocal rank of {learned['whitened']:.3f} with it, of {learned['plain']:.3f} "
            "without"
        )
    tuning = facts["tuning"]
    lines.append(tuning["outcome"] if tuning else "not tuned")
    for source in facts["sources"]:
        cluster = source["cluster"]
        if cluster:
            lines.append(f"cluster: {cluster['title']} ({source['path']}, {count(source['notes'], 'note')})")
    lines += [f"{number:6}  {topic}" for topic, number in facts["topics"].items()]
    return "\n".join(map(safe, lines))


_EXAMINED = ("sound", "problems", "notes", "not_by_words", "not_by_meaning", "freshness")


def examine(place: Place) -> dict[str, Any]:
    """JSON-ready: whether an index is "sound", its "problems" and its encoder's, a sentence each, how many "notes" it
    holds, the ids of those that are found "not_by_words" or "not_by_meaning", and its "freshness" (see there).  Reads
    everything; where the index cannot be opened, what is not known of its notes is None.

    Raises IndexNotFoundError or IndexVersionError, and of an engine ClusterError.
    """
    found = examined(place)
    if found.index is None:
        return dict(zip(_EXAMINED, (False, found.problems, None, None, None, None), strict=True))
    problems = list(found.problems)
    try:
        _ = Searcher(found.index).encoder
    except EncoderError as error:
        problems.append(str(error))
    lacks = found.not_by_words, found.not_by_meaning
    fresh = freshness(changes_on_disk(found.index))
    return dict(zip(_EXAMINED, (not (problems or any(lacks)), problems, len(found.index), *lacks, fresh), strict=True))


def freshness(kept: Changes) -> dict[str, Any]:
    """The same, JSON-ready: whether the index is "fresh" (None where the notes cannot be read), the ids of the notes
    that were "added", "changed" and "removed" since it was built, and the "problem" with reading them, or None."""
    try:
        found = kept.changes()
    except SourceError as error:
        return {"fresh": None, **NoteChanges().as_dict(), "problem": str(error)}
    return {"fresh": not found, **found.as_dict(), "problem": None}


def stale_lines(facts: dict[str, Any] | None) -> list[str]:
    """``freshness``, a line a note that differs; [] where all is fresh, or that is not known."""
    if facts is None or facts["fresh"] or facts["problem"] is not None:
        return []
    return NoteChanges(*(tuple(facts[what]) for what in ("added", "changed", "removed"))).lines()


def freshness_text(facts: dict[str, Any], place: Place) -> str:
    """``freshness`` of the index at ``place`` for people, in one line."""
    if facts["problem"] is not None:
        return f"its notes cannot be read now: {facts['problem']}"
    found = [f"{len(facts[what])} {what}" for what in ("added", "changed", "removed") if facts[what]]
    if not found:
        return "fresh: no note changed since"
    return f"not fresh: {', '.join(found)} since; type: kindred index --index {place}"
