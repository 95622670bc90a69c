"""This module reads the front matter of a Markdown file: the YAML between two lines of hyphens at its beginning."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from indexer.errors import SourceError

LINE = re.compile(r"[^\n]*\n|[^\n]+")
_KEY = re.compile(r"[^\W\d][\w -]*:(?:\s|$)")
_KEYS = ("title", "description", "summary", "tags", "date", "id", "draft", "aliases", "topic", "category")
# Far above what people write, and little enough that a hostile one costs nothing.
_LONGEST_FRONT_MATTER = 64 * 1024
_DEEPEST_FRONT_MATTER = 20
_YAML_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # 20 times as fast where libyaml is at hand
# YAML reads an unquoted "#tag" as a comment, and the tag would be lost without a word.
_LOST_TAG = re.compile(r"^(?:tags:[^\"'\n]*?|[ \t]*-)[ \t]#[^\s#]", re.IGNORECASE | re.MULTILINE)
_NOT_YAML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff]")


def has_front_matter(text: str, path: Path) -> bool:
    """Whether the file begins with front matter.  Raises SourceError when it opens one and does not close it."""
    return front_matter(text, path) is not None


def front_matter(text: str, path: Path) -> tuple[str, int, int] | None:
    """The YAML between the two lines of hyphens, where the body begins, and the number of the body's first line.

    None where the file does not begin with a line of three hyphens, or where that line is a rule: nothing like a key
    follows it and no second one closes it.
    """
    opening = LINE.match(text)
    if not text.startswith("---") or opening is None or opening.group().rstrip() != "---":
        return None
    for number, line in enumerate(LINE.finditer(text, opening.end()), 2):
        if line.start() > opening.end() + _LONGEST_FRONT_MATTER:
            break
        if line.group().rstrip() in ("---", "..."):
            return text[opening.end() : line.start()], line.end(), number + 1
    if _KEY.match(text, opening.end()):
        problem = "opens front matter with '---' and does not close it with another within 64 KiB."
        raise SourceError(path, 1, problem)
    return None


def parse(front: str, path: Path, warnings: list[str]) -> dict[str, tuple[int, object]]:
    """The keys that mean something here, in lower case, with their line and value.

    Values stay as they are written (2024 is "2024", yes is "yes"); nothing is constructed from tags, and aliases are
    refused.  Of two equal keys the first counts, with a warning.
    """
    fields: dict[str, tuple[int, object]] = {}
    if bad := _NOT_YAML.search(front):
        problem = f"the front matter holds the control character U+{ord(bad.group()):04X}."
        raise SourceError(path, front.count("\n", 0, bad.start()) + 2, problem)
    for lost in _LOST_TAG.finditer(front):
        line = front.count("\n", 0, lost.end()) + 2
        warnings.append(f"{path}:{line}: '#' begins a comment in YAML; quote the tag or write it without '#'")
    try:
        events = yaml.parse(front, Loader=_YAML_LOADER)
        next(events)  # the stream begins
        if isinstance(next(events), yaml.StreamEndEvent):
            if front.strip():
                raise SourceError(path, 2, "the front matter holds no keys with values.")
            return fields
        top = next(events)
        if not isinstance(top, yaml.MappingStartEvent):
            raise SourceError(path, _line(top), "the front matter holds no keys with values.")
        for event in events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            line = _line(event)
            key = str(_value(events, event, 1)).lower()
            value = _value(events, next(events), 1)
            if key in fields:
                warnings.append(f"{path}:{line}: states {key} twice; the first is kept")
            elif key in _KEYS:
                fields[key] = (line, value)
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                raise SourceError(path, _line(event), "the front matter holds two YAML documents.")
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 2 if error.problem_mark else 2
        advice = "quote a value that holds a colon or begins with a sign"
        raise SourceError(path, line, f"the front matter is no valid YAML: {error.problem}; {advice}.") from error
    return fields


def _value(events: Iterator[Any], event: Any, depth: int) -> object:
    """The value that begins with ``event``: text, None, a list, or a mapping (whose content is dropped)."""
    if isinstance(event, yaml.AliasEvent):
        raise _refusal(f"the alias *{event.anchor} is not read", event)
    if isinstance(event, yaml.ScalarEvent):
        null = event.implicit[0] and event.value in ("", "~", "null", "Null", "NULL")
        return None if null else event.value
    if depth > _DEEPEST_FRONT_MATTER:
        raise _refusal(f"it is nested deeper than {_DEEPEST_FRONT_MATTER} levels", event)
    closing = yaml.SequenceEndEvent if isinstance(event, yaml.SequenceStartEvent) else yaml.MappingEndEvent
    items: list[object] = []
    while not isinstance(inner := next(events), closing):
        items.append(_value(events, inner, depth + 1))
    return items if closing is yaml.SequenceEndEvent else {}


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 2  # marks count from 0, and the line of hyphens stands above


def _refusal(problem: str, event: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=event.start_mark)


def scalar(fields: dict[str, tuple[int, object]], key: str, path: Path) -> str:
    """The text of a key, "" where it is missing or null; a list of one, as YAML sees [[Topic]], is that one."""
    line, value = fields.get(key, (1, None))
    while isinstance(value, list) and len(value) == 1:
        value = value[0]
    if value is None or value == []:
        return ""
    if not isinstance(value, str):
        raise SourceError(path, line, f"{key!r} must be one piece of text.")
    return value.strip()


def items(fields: dict[str, tuple[int, object]], key: str, path: Path) -> list[str]:
    """The items of a list, or of text that separates them by commas or, for tags without commas, by white space."""
    line, value = fields.get(key, (1, None))
    if isinstance(value, str):
        value = value.split() if key == "tags" and "," not in value else value.split(",")
    if value is None:
        return []
    if not isinstance(value, list) or any(isinstance(item, (list, dict)) for item in value):
        raise SourceError(path, line, f"{key!r} must be a list, or text with commas.")
    items = (str(item).strip() for item in value if item is not None)
    return [item for item in items if item]
