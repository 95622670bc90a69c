"""This module writes for people, in a terminal, why a note stands where it stands."""

from __future__ import annotations

from collections.abc import Sequence

from indexer import fold
from search.display import count, faint, safe, shortened, strong, wrapped
from search.verdict import Place, Standing, Why, figure

_MAX_WORDS = 6  # of a long query that one line tells of; `--json` tells of all


def why_text(why: Why) -> str:
    """Why a note has its rank: the conclusion, the figures behind it, and what is ahead of it."""
    lines = [strong(shortened(why.note.title)), *wrapped(safe(why.conclusion), "    ")]
    facts = _why_facts(why)
    width = max(map(len, facts), default=0)
    for name, fact in facts.items():
        first, *more = wrapped(safe(fact), " " * (width + 6)) or [""]
        lines += ["    " + faint(f"{name:{width}}  ") + first.lstrip(), *more]
    if why.ahead:
        lines.append("    ahead of it:")
        for other in why.ahead:
            lines.append(f"{other.rank:6}. {shortened(other.title)}")
            lines += map(faint, wrapped(safe(_standing_text(other, len(why.words))), " " * 8))
    return "\n".join(lines)


def _why_facts(why: Why) -> dict[str, str]:
    """What a note has and lacks, name -> sentence; a figure that the index or the query does not have is left out."""
    facts = {}
    held = sorted((word for word in why.words if word.fields), key=lambda word: (-word.added, word.text))
    if held and why.lexical is not None:
        parts = [f"{word.shown} {word.added:.2f} ({', '.join(word.fields)})" for word in held[:_MAX_WORDS]]
        facts["words"] = f"{_place_text(why.lexical)}: {_some(parts, len(held))}"
    lacking = sorted((word for word in why.words if not word.fields), key=lambda word: word.notes)
    if lacking:
        parts = [f"{word.shown} (in {count(word.notes, 'note') if word.notes else 'no note'})" for word in lacking]
        facts["lacks"] = _some(parts[:_MAX_WORDS], len(parts))
    if why.semantic is not None and why.background is not None:
        facts["meaning"] = f"{_place_text(why.semantic)}; a note on average has {figure(why.background)}"
    if why.note.late is not None and why.late_background is not None:
        facts["word by word"] = f"{figure(why.note.late)}; a note on average has {figure(why.late_background)}"
        missed = {fold(word.text) for word in lacking}
        parts = [
            f"{near.word} ~ {near.found} {figure(near.likeness)}"
            for near in why.nearest
            if fold(near.word) in missed and near.likeness > why.late_background
        ]
        if parts:
            facts["nearest"] = _some(parts[:_MAX_WORDS], len(parts))
    return facts


def _place_text(place: Place) -> str:
    deep = "" if place.counts else ", too deep to count"
    return f"rank {place.rank} of {place.of}{deep}, score {figure(place.score)}"


def _standing_text(other: Standing, asked: int) -> str:
    named = {"match": other.score, "meaning": other.semantic, "word by word": other.late}
    figures = [f"{name} {figure(value)}" for name, value in named.items() if value is not None]
    if asked:
        words = f": {_some(other.words[:_MAX_WORDS], len(other.words))}" if other.words else ""
        figures.append((count(len(other.words), "word") if other.words else "no word") + words)
    return " · ".join(figures)


def _some(parts: Sequence[str], total: int) -> str:
    return ", ".join(parts) + (f" and {total - len(parts)} more" if total > len(parts) else "")
