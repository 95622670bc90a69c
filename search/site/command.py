"""This module is the verb that writes a site."""

from __future__ import annotations

import time
from pathlib import Path

import click

from search.options import folder_option


@click.command()
@click.argument("target", metavar="DIR", type=click.Path(path_type=Path))
@folder_option
@click.option("-k", "k", type=click.IntRange(1), default=10, show_default=True, help="Related notes a note, at most.")
@click.option("--base", metavar="URL", help="The address of the site: adds a feed, a sitemap and canonical links.")
@click.option("--title", metavar="TEXT", help="The name of the site; that of the first cluster, if not given.")
@click.option("--fresh", is_flag=True, help="Relate the notes anew, whatever the lists were before.")
@click.option("--quiet", is_flag=True, help="Print warnings and errors only.")
def export(target: Path, folder: Path, k: int, base: str | None, title: str | None, fresh: bool, quiet: bool) -> None:
    """Write a site of the notes into DIR, which any web host serves and which opens from a disk as well.

    It lists the notes under their topics, in a table and on a map, gives each a page with its related notes, and finds
    words as you type, all without a server.  A site that was there is replaced at once when the new one is complete;
    its lists of related notes stay as they were but where another note is clearly ahead, and so do other files in DIR.

    Example: kindred export ~/site --base https://notes.example.org/
    """
    from indexer import SiteError, open_index
    from search.display import safe
    from search.progress import Progress
    from search.site.export import write_site

    if base is not None and not base.startswith(("https://", "http://")):
        raise click.BadParameter(f"{base!r} does not begin with https:// or http://", param_hint="--base")
    started = time.perf_counter()
    index = open_index(folder)
    if target.resolve() == index.folder.resolve():
        raise SiteError(target, "is the index itself")
    with Progress(quiet) as progress:
        report = write_site(index, target, k, title, base, fresh, progress)
    for remark in report.remarks:
        click.echo(safe(f"warning: {remark}"), err=True)
    if not quiet:
        size, took = report.size / 1e6, time.perf_counter() - started
        files = f"{report.files:,} files, {size:.1f} MB"
        click.echo(f"Wrote {report.notes:,} notes to {safe(str(target))} in {took:.1f} s: {files}.")
        click.echo(f"Open {safe(str(target / 'index.html'))} in a browser.")
