"""This module writes what other programs read of a site: an Atom feed (RFC 4287) and a sitemap (sitemaps.org)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from xml.sax.saxutils import escape, quoteattr

from search.site.catalogue import Catalogue, Entry

_NEWEST = 50  # entries of the feed
_SITEMAP = 50_000  # addresses that a sitemap may hold


def day_of(entry: Entry) -> str | None:
    """The day of a note as YYYY-MM-DD, or None where it has no date, or one that is no day."""
    try:
        return date.fromisoformat(entry.note.date[:10]).isoformat()
    except ValueError:
        return None


def feed(catalogue: Catalogue, base: str, title: str) -> str | None:
    """The 50 newest notes as an Atom feed, newest first and then by id; notes without a day are left out, and where
    none has one there is no feed (None).  ``base`` ends with "/"."""
    dated = [(day, entry) for entry in catalogue.in_places if (day := day_of(entry)) is not None]
    if not dated:
        return None
    newest = sorted(dated, key=lambda item: item[0], reverse=True)[:_NEWEST]  # stable: places settle equal days
    entries = "".join(
        f"<entry><title>{_text(entry.note.title)}</title><id>{_text(_address(base, entry))}</id>"
        f"<link href={quoteattr(_address(base, entry))}/><updated>{day}T00:00:00Z</updated>"
        f"<summary>{_text(entry.note.description)}</summary></entry>\n"
        for day, entry in newest
    )
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<feed xmlns="http://www.w3.org/2005/Atom">\n'
        f"<title>{_text(title)}</title><id>{_text(base)}</id><updated>{newest[0][0]}T00:00:00Z</updated>\n"
        f"<author><name>{_text(title)}</name></author>\n"
        f'<link href={quoteattr(base)}/><link rel="self" href={quoteattr(base + "feed.xml")}/>\n{entries}</feed>\n'
    )


def sitemap(catalogue: Catalogue, base: str, pages: Iterable[str]) -> str:
    """The addresses of ``pages`` and then of all notes, these with their day where they have one; 50,000 at most."""
    places = [(base + page, None) for page in pages]
    places += [(_address(base, entry), day_of(entry)) for entry in catalogue.entries.values()]  # type: ignore[misc]
    urls = "".join(
        f"<url><loc>{_text(address)}</loc>{f'<lastmod>{day}</lastmod>' if day else ''}</url>\n"
        for address, day in places[:_SITEMAP]
    )
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n{urls}</urlset>\n'
    )


def _address(base: str, entry: Entry) -> str:
    return f"{base}notes/{entry.page}.html"


def _text(text: str) -> str:
    """Text for XML 1.0, without the few characters that it cannot hold."""
    return escape("".join(character for character in text if character not in "\ufffe\uffff"))
