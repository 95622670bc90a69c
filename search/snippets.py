"""This module picks the stretch of a text that shows best why it matched; marking it up is the caller's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from indexer import Token

# About three lines of a terminal; a description of the owner's notes has 240 characters on average.
DEFAULT_LENGTH = 240
_ELLIPSIS = "…"


@dataclass(frozen=True, slots=True)
class Snippet:
    """A stretch of text and the spans in it to mark: [start, end) in characters of ``text``, ascending, disjoint."""

    text: str
    spans: tuple[tuple[int, int], ...]


def best_snippet(
    text: str, tokenise: Callable[[str], Sequence[Token]], weights: Mapping[str, float], length: int = DEFAULT_LENGTH
) -> Snippet:
    """The window of at most ``length`` characters of ``text`` whose matched terms weigh most.

    ``weights`` gives the matched terms and what each is worth (once a window, however often it occurs there).  The
    earliest of equal windows wins, and the beginning of the text where nothing matches.  Windows begin and end at
    words; "…" stands for what was cut, and counts.
    """
    tokens = tokenise(text)
    matches = [token for token in tokens if token.term in weights]
    if len(text) <= length:
        return Snippet(text, tuple((token.start, token.end) for token in matches))
    room = length - 2 * len(_ELLIPSIS)
    starts = [0, *(token.start for token in tokens if token.start > 0)]
    begin = _heaviest(starts, matches, weights, room) if matches else 0
    begin = _pull_back(starts, matches, begin, room)
    inside = [token.end for token in tokens if begin < token.end <= begin + room]
    end = inside[-1] if inside else begin + room
    if len(text) - begin <= room:
        end = len(text)
    lead = _ELLIPSIS if begin else ""
    spans = tuple(
        (token.start - begin + len(lead), token.end - begin + len(lead))
        for token in matches
        if begin <= token.start and token.end <= end
    )
    return Snippet(lead + text[begin:end] + (_ELLIPSIS if end < len(text) else ""), spans)


def _heaviest(starts: Sequence[int], matches: Sequence[Token], weights: Mapping[str, float], room: int) -> int:
    """The first of ``starts`` from where ``room`` characters hold the most weight.  One pass, whatever the length."""
    best, chosen, worth = -1.0, 0, 0.0
    inside: Counter[str] = Counter()
    first = after = 0  # the matches in the window
    for start in starts:
        terms = len(inside)
        while after < len(matches) and matches[after].end <= start + room:
            inside[matches[after].term] += 1
            after += 1
        changed = len(inside) != terms
        while first < after and matches[first].start < start:
            inside[matches[first].term] -= 1
            if not inside[matches[first].term]:
                del inside[matches[first].term]
                changed = True
            first += 1
        if changed:
            worth = sum(weights[term] for term in sorted(inside))
        if worth > best:
            best, chosen = worth, start
    return chosen


def _pull_back(starts: Sequence[int], matches: Sequence[Token], begin: int, room: int) -> int:
    """Begin as early as keeps every match of the window: some words before the first match help the reader."""
    kept = [token.end for token in matches if begin <= token.start and token.end <= begin + room]
    if not kept:
        return begin
    earliest = max(kept[-1] - room, begin - room // 3)
    return min(start for start in starts if start >= earliest) if any(s >= earliest for s in starts) else begin
