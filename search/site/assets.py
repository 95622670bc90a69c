"""This module says which scripts the pages run, of a site that was exported and of one that is served."""

from __future__ import annotations

from pathlib import Path

STATIC = Path(__file__).parent / "static"
_STYLE, _LICENCE = "site.css", "snowball-licence.txt"
# In the order in which they are run; each adds to the one namespace Kindred, and none begins before all are there.
_EXPORTED = (
    "kindred.js", "analysis.js", "tables.js", "query.js", "spelling.js", "wording.js", "snippets.js", "lexical.js",
    "explore.js", "page.js", "map.js",
)  # fmt: skip
_SERVED = (
    "kindred.js", "analysis.js", "snippets.js", "http.js", "explore.js", "why.js", "page.js", "map.js", "live.js",
)  # fmt: skip
_STEMMERS = {"english": "snowball-english.js"}  # of other languages, the forms that the notes hold are known


def exported(language: str) -> tuple[str, ...]:
    """The scripts of a site that searches without a server, for notes in this language."""
    return _with_stemmer(_EXPORTED, language)


def served(language: str) -> tuple[str, ...]:
    """The scripts of the pages that ask a server."""
    return _with_stemmer(_SERVED, language)


def served_files() -> tuple[str, ...]:
    """The names of all files below assets that a server hands out, for notes in any language."""
    return (*_SERVED, *_STEMMERS.values(), _STYLE, _LICENCE)


def files(scripts: tuple[str, ...]) -> tuple[str, ...]:
    """The names of all files below assets for pages that run ``scripts``; they lie in ``STATIC``."""
    borrowed = any(script in _STEMMERS.values() for script in scripts)
    return (*scripts, _STYLE, *([_LICENCE] if borrowed else []))


def _with_stemmer(scripts: tuple[str, ...], language: str) -> tuple[str, ...]:
    stemmer = _STEMMERS.get(language)
    return (scripts[0], stemmer, *scripts[1:]) if stemmer else scripts
