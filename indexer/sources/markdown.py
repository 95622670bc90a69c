"""This module reads one Markdown file as one note, as Obsidian and its kin write them.

It is no Markdown parser: it knows just enough of the blocks to find the title, the first paragraph, the links and the
tags.  It takes linear time on every text: each pattern that may begin in many places stops at the character that
would begin it anew.
"""

from __future__ import annotations

import html
import os
import posixpath
import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import Literal
from urllib.parse import unquote

from indexer.notes import RawNote
from indexer.sources.front_matter import LINE, front_matter, items, parse, scalar

# Lines and blocks.
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


def read_markdown(text: str, path: Path, source: str) -> tuple[RawNote | None, list[str]]:
    """The note and its warnings; None for a draft.

    Title: from the front matter, else the first heading, else the file's stem; the note's line is where it stands.
    Description: from the front matter, else the first paragraph below the heading that gave the title, else the
    first paragraph; a note without one gets a warning.  Topic: from the front matter, else the folder.
    Links: wikilinks by the name in them, Markdown links to relative .md files by that file, in order, without
    duplicates; code holds none, and one that leaves the folder that ``source`` is below means nothing.
    Raises SourceError with the line for front matter that is not a mapping, or whose values have the wrong form.
    ``text`` has "\\n" line ends.
    """
    warnings: list[str] = []
    front, start, first_line = front_matter(text, path) or ("", 0, 1)
    fields = parse(front, path, warnings)
    if scalar(fields, "draft", path).lower() in ("true", "yes", "on"):
        return None, []
    title, description = scalar(fields, "title", path), scalar(fields, "description", path)
    description = description or scalar(fields, "summary", path)
    line = fields["title"][0] if title else 1
    paragraphs = {"": ""}  # the title above a paragraph ("" before it is known) -> the first such paragraph
    links: dict[str | Path, None] = {}
    tags = dict.fromkeys(items(fields, "tags", path))
    for kind, number, block in _blocks(text, start, first_line):
        prose = "`".join(block[begin:end] for begin, end, ticks in _spans(block) if not ticks)
        targets = (_target(link, path, source) for link in _LINK.finditer(prose))
        links.update(dict.fromkeys(target for target in targets if target))
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
    names = (name.stem, name.with_suffix("").as_posix(), *items(fields, "aliases", path))
    folder = "" if name.parent == PurePosixPath(".") else name.parent.as_posix()
    note = RawNote(
        title=title,
        description=description,
        path=path,
        line=line,
        source=source,
        topic=_plain(scalar(fields, "topic", path) or scalar(fields, "category", path)) or folder,
        tags=tuple(tags),
        date=scalar(fields, "date", path),
        explicit_id=scalar(fields, "id", path),
        links=tuple(links),
        names=tuple(dict.fromkeys(names)),
    )
    return note, warnings


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
    for number, match in enumerate(LINE.finditer(text, start), first_line):
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


def _target(link: re.Match[str], path: Path, source: str) -> str | Path:
    """The name or the file that a link of the note in ``path`` means; "" where it means no note."""
    if link[1] is not None:
        target = link[1].partition("|")[0].partition("#")[0].rstrip("\\").strip()
        return target[:-3] if target.lower().endswith(".md") else target
    address = link[2].removeprefix("<").removesuffix(">")
    file = unquote(address.partition("#")[0].partition("?")[0])
    if PurePosixPath(file).suffix.lower() not in (".md", ".markdown") or _NOT_RELATIVE.match(address):
        return ""
    below = posixpath.normpath(posixpath.join(posixpath.dirname(source), file))
    return "" if below.startswith(("../", "/")) else Path(os.path.normpath(path.parent / file))


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
