"""This module reads one Markdown file as one note, as Obsidian and its kin write them.

It is no Markdown parser: it knows just enough of the blocks to find the title, the first paragraph, the links and the
tags.  It takes linear time on every text: each pattern that may begin in many places stops at the character that
would begin it anew.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import Any, Literal
from urllib.parse import unquote

import yaml

from indexer.errors import SourceError
from indexer.notes import RawNote

_KEYS = ("title", "description", "summary", "tags", "date", "id", "draft", "aliases", "topic", "category")
# Far above what people write, and little enough that a hostile one costs nothing.
_LONGEST_FRONT_MATTER = 64 * 1024
_DEEPEST_FRONT_MATTER = 20
_YAML_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # 20 times as fast where libyaml is at hand
# YAML reads an unquoted "#tag" as a comment, and the tag would be lost without a word.
_LOST_TAG = re.compile(r"^(?:tags:[^\"'\n]*?|[ \t]*-)[ \t]#[^\s#]", re.IGNORECASE | re.MULTILINE)
_NOT_YAML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff]")

# Lines and blocks.
_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_KEY = re.compile(r"[^\W\d][\w -]*:(?:\s|$)")
_QUOTE = re.compile(r"(?: {0,3}> ?)+")
_FENCE = re.compile(r"\s*(`{3,}(?=[^`]*$)|~{3,})")
_HEADING = re.compile(r"#{1,6}(?:[ \t]+(.*))?")
_UNDERLINE = re.compile(r"=+|-{2,}")
_BULLET = re.compile(r"(?:[-*+]|[0-9]{1,9}[.)])\s+(?:\[[ xX]\]\s+)?")
_CALLOUT = re.compile(r"\[![^\[\]]*\][+-]?")
_DEFINITION = re.compile(r"\[[^\[\]]+\]:\s")

# Inside a block.  Longer runs of backticks than this are no code span: cmark has such a limit too.
_LONGEST_BACKTICKS = 80
_BACKTICKS = re.compile("`+")
# What may follow '#' in a tag is Obsidian's rule: all but general and ASCII punctuation other than - _ /.
_TAG = re.compile(r"(?<!\S)#([^\u2000-\u206f\u2e00-\u2e7f'\"!#$%&()*+,.:;<=>?@^`{|}~\[\]\\\s]+)")
_ADDRESS = r"<[^<>\n]*>|[^()<>\s]*(?:\([^()<>\s]*\)[^()<>\s]*)*"
_LINK = re.compile(rf"\[\[([^\[\]\n]+)\]\]|\]\(({_ADDRESS})(?=[\s)])")
_NOT_RELATIVE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:|/")
_IN_BRACKETS = r"(?:\([^()]*(?:\([^()]*\)[^()]*)*\)|\[[^\[\]]*\])"
_IMAGE = re.compile(rf"!\[\[[^\[\]\n]*\]\]|!\[[^\[\]]*\]{_IN_BRACKETS}|\[\^[^\[\]\s]*\]")  # footnote marks as well
_WIKILINK = re.compile(r"\[\[([^\[\]\n]+)\]\]")
_INLINE_LINK = re.compile(rf"\[([^\[\]]*)\]{_IN_BRACKETS}")
_AUTOLINK = re.compile(r"<([A-Za-z][A-Za-z0-9+.-]{1,31}:[^<>\s]*)>")
_HTML_TAG = re.compile(r"</?[A-Za-z][^<>]*>")
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_STARS = re.compile(r"(?<!\*)(\*{1,3})(?![\s*])([^*]+)(?<!\s)\1(?!\*)")
_UNDERSCORES = re.compile(r"(?<!\w)(_{1,3})(?![\s_])([^_]+)(?<!\s)\1(?!\w)")
_STRUCK = re.compile(r"~~(?!\s)([^~]+)~~|==(?!\s)([^=]+)==")
_ESCAPE = re.compile(r"\\([!-/:-@\[-`{-~])")
# Code and escaped signs are moved to private characters while the markup is taken off, and back afterwards.
_SIGNS = [sign for sign in range(0x21, 0x7F) if not chr(sign).isalnum()]
_GUARD = {sign: 0x10FF00 + sign for sign in _SIGNS}
_UNGUARD = {0x10FF00 + sign: sign for sign in _SIGNS}

_Block = tuple[Literal["heading", "paragraph", "other"], int, str]  # kind, first line, text with its markup


def has_front_matter(text: str, path: Path) -> bool:
    """Whether the file begins with front matter.  Raises SourceError when it opens one and does not close it."""
    return _front_matter(text, path) is not None


def read_markdown(text: str, path: Path, source: str) -> tuple[RawNote | None, list[str]]:
    """The note and its warnings; None for a draft.

    Title: from the front matter, else the first heading, else the file's stem; the note's line is where it stands.
    Description: from the front matter, else the first paragraph below the heading that gave the title, else the
    first paragraph; a note without one gets a warning.  Topic: from the front matter, else the folder.
    Links: wikilinks and Markdown links to relative .md files, in order, without duplicates; code holds none.
    Raises SourceError with the line for front matter that is not a mapping, or whose values have the wrong form.
    ``text`` has "\\n" line ends.
    """
    warnings: list[str] = []
    front, start, first_line = _front_matter(text, path) or ("", 0, 1)
    fields = _parse(front, path, warnings)
    if _scalar(fields, "draft", path).lower() in ("true", "yes", "on"):
        return None, []
    title, description = _scalar(fields, "title", path), _scalar(fields, "description", path)
    description = description or _scalar(fields, "summary", path)
    line = fields["title"][0] if title else 1
    paragraphs = {"": ""}  # the title above a paragraph ("" before it is known) -> the first such paragraph
    links: dict[str, None] = {}
    tags = dict.fromkeys(_items(fields, "tags", path))
    for kind, number, block in _blocks(text, start, first_line):
        prose = "`".join(block[begin:end] for begin, end, ticks in _spans(block) if not ticks)
        links.update(dict.fromkeys(target for target in map(_target, _LINK.finditer(prose)) if target))
        if kind != "heading":
            tags.update(dict.fromkeys(tag for tag in _TAG.findall(prose) if tag.strip("0123456789-_/")))
        if kind == "heading" and not title:
            title, line = _plain(block), number
        elif kind == "paragraph" and not paragraphs.get(title):
            paragraphs[title] = _plain(_without_marks(block))
    description = description or paragraphs.get(title, "") or paragraphs[""]
    name = PurePosixPath(source)
    if not title:
        title, line = name.stem, 1
    if not description:
        warnings.append(f"{path}:{line}: has a title but no description")
    names = (name.stem, name.with_suffix("").as_posix(), *_items(fields, "aliases", path))
    folder = "" if name.parent == PurePosixPath(".") else name.parent.as_posix()
    note = RawNote(
        title=title,
        description=description,
        path=path,
        line=line,
        source=source,
        topic=_plain(_scalar(fields, "topic", path) or _scalar(fields, "category", path)) or folder,
        tags=tuple(tags),
        date=_scalar(fields, "date", path),
        explicit_id=_scalar(fields, "id", path),
        links=tuple(links),
        names=tuple(dict.fromkeys(names)),
    )
    return note, warnings


def _front_matter(text: str, path: Path) -> tuple[str, int, int] | None:
    """The YAML between the two lines of hyphens, where the body begins, and the number of the body's first line.

    None where the file does not begin with a line of three hyphens, or where that line is a rule: nothing like a key
    follows it and no second one closes it.
    """
    opening = _LINE.match(text)
    if not text.startswith("---") or opening is None or opening.group().rstrip() != "---":
        return None
    for number, line in enumerate(_LINE.finditer(text, opening.end()), 2):
        if line.start() > opening.end() + _LONGEST_FRONT_MATTER:
            break
        if line.group().rstrip() in ("---", "..."):
            return text[opening.end() : line.start()], line.end(), number + 1
    if _KEY.match(text, opening.end()):
        problem = "opens front matter with '---' and does not close it with another within 64 KiB."
        raise SourceError(path, 1, problem)
    return None


def _parse(front: str, path: Path, warnings: list[str]) -> dict[str, tuple[int, object]]:
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


def _scalar(fields: dict[str, tuple[int, object]], key: str, path: Path) -> str:
    """The text of a key, "" where it is missing or null; a list of one, as YAML sees [[Topic]], is that one."""
    line, value = fields.get(key, (1, None))
    while isinstance(value, list) and len(value) == 1:
        value = value[0]
    if value is None or value == []:
        return ""
    if not isinstance(value, str):
        raise SourceError(path, line, f"{key!r} must be one piece of text.")
    return value.strip()


def _items(fields: dict[str, tuple[int, object]], key: str, path: Path) -> list[str]:
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


def _blocks(text: str, start: int, first_line: int) -> Iterator[_Block]:
    """Headings, paragraphs, and what else holds text (tables, definitions), in order."""
    kind: Literal["paragraph", "other"] = "paragraph"
    block: list[str] = []
    begun = 0
    for number, content in chain(_lines(text, start, first_line), [(0, "")]):
        heading = _HEADING.fullmatch(content)
        if block and kind == "paragraph" and _UNDERLINE.fullmatch(content) and not _BULLET.match(block[0]):
            yield "heading", begun, "\n".join(block)
            block = []
        elif not content or heading or _is_rule(content):
            if block:
                yield kind, begun, "\n".join(block)
            block = []
            if heading:
                yield "heading", number, _without_closing_hashes(heading[1] or "")
        elif block and "|" in block[-1] and "|" in content and "-" in content and not content.strip("|:- \t"):
            header = block.pop()
            if block:
                yield kind, begun, "\n".join(block)
            kind, begun, block = "other", number - 1, [header]
        else:
            if not block:
                kind = "other" if content.startswith("|") or _DEFINITION.match(content) else "paragraph"
                begun = number
            block.append(content)


def _lines(text: str, start: int, first_line: int) -> Iterator[tuple[int, str]]:
    """Number and content of each line, stripped, without quote marks and comments; "" for code and between blocks."""
    fence = ""
    fence_quoted = comment = was_quoted = False
    for number, match in enumerate(_LINE.finditer(text, start), first_line):
        line = match.group()
        quote = _QUOTE.match(line)
        bare = line[quote.end() :] if quote else line
        if fence and (quote or not fence_quoted):  # a fence inside a quote ends with the quote
            inside = (bare if fence_quoted else line).strip()
            if inside.startswith(fence) and not inside.strip(fence[0]):
                fence = ""
            yield number, ""
            continue
        if bool(quote) != was_quoted:
            yield number, ""
        was_quoted = bool(quote)
        bare, comment = _outside_comments(bare, comment)
        content = bare.strip()
        bullet = _BULLET.match(content)
        opened = _FENCE.match(content, bullet.end() if bullet else 0)
        fence, fence_quoted = (opened[1], was_quoted) if opened else ("", False)
        yield number, "" if opened else content


def _outside_comments(line: str, inside: bool) -> tuple[str, bool]:
    """The line without HTML comments, and whether one is still open at its end."""
    if inside:
        _, closing, line = line.partition("-->")
        if not closing:
            return "", True
    if "<!--" not in line:
        return line, False
    masked = "".join("`" * (end - begin) if ticks else line[begin:end] for begin, end, ticks in _spans(line))
    kept: list[str] = []
    at = 0
    while (opening := masked.find("<!--", at)) >= 0:
        kept.append(line[at:opening])
        end = line.find("-->", opening + 2)
        if end < 0:
            return "".join(kept), True
        at = end + 3
    return "".join(kept) + line[at:], False


def _is_rule(content: str) -> bool:
    marks = content.replace(" ", "").replace("\t", "") if content[0] in "-*_" else ""
    return len(marks) >= 3 and marks.count(marks[0]) == len(marks)


def _without_closing_hashes(heading: str) -> str:
    text = heading.rstrip()
    bare = text.rstrip("#")
    return bare if not bare or bare[-1].isspace() else text


def _without_marks(paragraph: str) -> str:
    """A paragraph without bullets, callout marks and lines that are all tags."""
    kept: list[str] = []
    for line in paragraph.split("\n"):
        for mark in (_BULLET, _CALLOUT):
            if found := mark.match(line):
                line = line[found.end() :]
        if not all(_TAG.fullmatch(word) for word in line.split()):
            kept.append(line)
    return "\n".join(kept)


def _spans(text: str) -> Iterator[tuple[int, int, int]]:
    """Begin, end and number of backticks (0 for prose) of the stretches that make up ``text``.

    Prose, code, prose, code, ..., prose; a stretch of prose may be empty.  A run of backticks opens code when a run
    of the same length follows.
    """
    begin = at = 0
    unclosed: set[int] = set()
    while run := _BACKTICKS.search(text, at):
        at = run.end()
        length = at - run.start()
        if length > _LONGEST_BACKTICKS or length in unclosed:
            continue
        closing = re.compile(rf"(?<!`)`{{{length}}}(?!`)").search(text, at)
        if closing is None:
            unclosed.add(length)
            continue
        yield begin, run.start(), 0
        yield run.start(), closing.end(), length
        begin = at = closing.end()
    yield begin, len(text), 0


def _target(link: re.Match[str]) -> str:
    """The name that a link means; "" where it means no note."""
    if link[1] is not None:
        target = link[1].partition("|")[0].partition("#")[0].rstrip("\\").strip()
        return target[:-3] if target.lower().endswith(".md") else target
    address = link[2].removeprefix("<").removesuffix(">")
    file = PurePosixPath(unquote(address.partition("#")[0].partition("?")[0]))
    is_note = file.suffix.lower() in (".md", ".markdown") and not _NOT_RELATIVE.match(address)
    return file.stem if is_note else ""


def _plain(text: str) -> str:
    """The text that a reader sees, on one line: links and wikilinks as they are shown, images and markup gone."""
    guarded = "".join(
        text[begin + ticks : end - ticks].translate(_GUARD)
        if ticks
        else _ESCAPE.sub(lambda sign: sign[1].translate(_GUARD), text[begin:end])
        for begin, end, ticks in _spans(text)
    )
    bare = _INLINE_LINK.sub(r"\1", _WIKILINK.sub(_shown, _IMAGE.sub("", guarded)))
    bare = _HTML_TAG.sub("", _AUTOLINK.sub(r"\1", bare))
    for _ in range(2):  # emphasis inside emphasis
        bare = _UNDERSCORES.sub(r"\2", _STARS.sub(r"\2", bare))
    bare = _STRUCK.sub(lambda struck: struck[1] or struck[2], bare)
    bare = _ENTITY.sub(lambda entity: html.unescape(entity[0]), bare)
    return " ".join(bare.translate(_UNGUARD).split())


def _shown(wikilink: re.Match[str]) -> str:
    target, bar, shown = wikilink[1].replace(chr(_GUARD[ord("|")]), "|").partition("|")
    return shown if bar else " > ".join(part for part in target.split("#") if part)
