"""This module holds the verb `related`: the list of one note, the lists of all, and what changed in them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from search.options import (
    count_option,
    ensure_folder,
    explain_option,
    index_option,
    json_line,
    json_option,
    open_searcher,
    optional_note_argument,
    write_out,
)

if TYPE_CHECKING:
    from indexer import Place
    from search.lists import Change, Format
    from search.neighbours import Lists, Neighbour


@click.command()
@optional_note_argument
@index_option
@count_option
@click.option(
    "--all", "every", is_flag=True, help="The lists of all notes, as a file: JSON, unless --format says else."
)
@click.option("-o", "output", type=click.Path(), metavar="FILE", help="Where --all writes.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["json", "jsonl", "csv"]),
    help="What --all writes; at first what FILE ends in, else json.",
)
@click.option("--diff", is_flag=True, help="With --all: write nothing, print what would change in the lists.")
@click.option("--fresh", is_flag=True, help="With --all: rank anew, whatever the lists were before.")
@click.option(
    "--on-spark",
    "master",
    metavar="MASTER",
    help="With --all: have a cluster of Spark make the lists; local[2], spark://HOST:7077, yarn, k8s://URL.",
)
@click.option(
    "--spark-conf", "settings", metavar="KEY=VALUE", multiple=True, help="A setting of Spark; may be repeated."
)
@explain_option
@json_option
def related(
    note: str | None,
    place: Place,
    k: int,
    every: bool,
    output: str | None,
    form: Format | None,
    diff: bool,
    fresh: bool,
    master: str | None,
    settings: tuple[str, ...],
    explain: bool,
    as_json: bool,
) -> None:
    """List the notes related to NOTE (an id, or a title), or with --all those of every note.

    A list may be short, or empty: what is no nearer than many a random pair of notes is left out.

    With --all, lists stay as they were in FILE, or without one in the generation of the index before this, but where
    another note is clearly ahead; --fresh gives that up, and the list of a single NOTE is always fresh.  --diff prints
    what would change, and writes nothing.

    With --on-spark the workers must reach the index and -o by the same paths.  -o DIR/ or a name that ends in .parquet
    keeps the Parquet files, one for each part of the notes.  FILE.parts holds what is made until all is; after a worker
    or this program was lost, the same command goes on from there.

    Example: kindred related --all -o related.json
    """
    if every == (note is not None):
        raise click.UsageError("name a note, or give --all.")
    if note is not None:
        if output or form or diff or fresh or master or settings:
            raise click.UsageError("-o, --format, --diff, --fresh, --on-spark and --spark-conf belong to --all.")
        _print_list(note, place, k, explain, as_json)
        return
    if explain:
        raise click.UsageError("--explain belongs to a single note.")
    path = Path(output) if output is not None else None
    ensure_folder(path, "-o")
    form = form or ("jsonl" if as_json else None)
    if master is not None:
        if path is None or diff:
            raise click.UsageError("--on-spark wants -o, and no --diff.")
        kept = form is None and (str(output).endswith(("/", os.sep)) or path.suffix == ".parquet" or path.is_dir())
        _relate_on_spark(place, k, path, form, kept, fresh, master, settings)
        return
    if settings:
        raise click.UsageError("--spark-conf belongs to --on-spark.")
    if path is not None and path.is_dir():
        raise click.BadParameter(f"{path} is a folder.", param_hint="-o")
    _relate_all(place, k, path, form, diff, fresh)


def _print_list(note: str, place: Place, k: int, explain: bool, as_json: bool) -> None:
    from search.display import hits_text

    searcher = open_searcher(place)
    hits, neighbours = searcher.related(note, k), searcher.neighbours(note, k)
    if as_json:
        for hit, found in zip(hits, neighbours, strict=True):
            more = {name: value for name, value in found.as_dict().items() if name in _BEYOND_HITS}
            click.echo(json_line({**hit.as_dict(explain), **more}))
    elif hits:
        shown = [hit.as_dict(explain=True) for hit in hits]
        click.echo(hits_text(shown, "likeness", explain, list(map(_remark, neighbours))))
    else:
        click.echo("No note is related.", err=True)


_BEYOND_HITS = ("grade", "reason", "bridge", "linked")


def _relate_all(place: Place, k: int, output: Path | None, form: Format | None, diff: bool, fresh: bool) -> None:
    from indexer import Index, open_home, open_previous
    from search.display import count, safe
    from search.lists import changes, format_of, read_lists, written
    from search.neighbours import all_related
    from search.progress import Progress

    index = open_home(place)
    before: Lists | None = read_lists(output) if output is not None else None
    with Progress() as bars:
        if (
            before is None
            and (diff or not fresh)
            and isinstance(index, Index)
            and (older := open_previous(index)) is not None
        ):
            before = all_related(older, k, None, lambda done, total: bars("lists of before", done, total))
        previous = None if fresh else before
        lists = all_related(index, k, previous, lambda done, total: bars("related notes", done, total))
    if diff:
        if before is None:
            click.echo("There are no lists of before to compare with.", err=True)
        else:
            _print_changes(before, lists, as_json=form == "jsonl")
        return
    chosen = form or (format_of(output) if output is not None else "json")
    pieces = written(lists.items(), index.manifest.generation, chosen)
    if output is None:
        for piece in pieces:
            click.echo(piece, nl=False)
        return
    write_out(output, pieces)
    changed = "" if before is None else f", {sum(bool(changes(before.get(i, ()), lists[i])) for i in lists)} changed"
    click.echo(safe(f"Wrote the lists of {count(len(lists), 'note')} to {output}{changed}."), err=True)


def _relate_on_spark(
    place: Place,
    k: int,
    output: Path,
    form: Format | None,
    kept: bool,
    fresh: bool,
    master: str,
    settings: tuple[str, ...],
) -> None:
    from search.display import count, safe
    from search.lists import format_of
    from search.progress import Progress
    from search.spark.job import relate_all
    from search.spark.session import session

    pairs = [setting.partition("=") for setting in settings]
    if not all(key and equals for key, equals, _ in pairs):
        raise click.BadParameter("a setting is KEY=VALUE.", param_hint="--spark-conf")
    spark = session(master, {key: value for key, _, value in pairs})
    with Progress() as bars:
        made = relate_all(place, k, output, None if kept else form or format_of(output), fresh, spark, bars)
    changed = "" if made.changed is None else f", {made.changed} changed"
    click.echo(safe(f"Wrote the lists of {count(made.n_notes, 'note')} to {output}{changed}."), err=True)


def _print_changes(before: Lists, lists: Lists, as_json: bool) -> None:
    """What changed, note by note in the order of the notes, then the notes that are gone; and how much, on stderr."""
    from search.display import count, safe
    from search.lists import changes

    added = removed = moved = lists_changed = 0
    for note_id, neighbours in lists.items():
        found = changes(before.get(note_id, ()), neighbours)
        if found and not as_json:
            click.echo(safe(note_id) + ("" if note_id in before else " (new)"))
        for change in found:
            click.echo(json_line(_change_record(note_id, change)) if as_json else f"  {_change_text(change)}")
        lists_changed += bool(found)
        added += sum(change.was is None for change in found)
        removed += sum(change.now is None for change in found)
        moved += sum(None not in (change.was, change.now) for change in found)
    for note_id in before:
        if note_id not in lists and not as_json:
            click.echo(f"{safe(note_id)} (gone)")
    click.echo(
        f"{lists_changed} of {count(len(lists), 'list')} changed: {added} added, {removed} removed, {moved} moved.",
        err=True,
    )


def _change_text(change: Change) -> str:
    from search.display import shortened

    title = shortened(change.neighbour.title)
    if change.was is None:
        return f"+ {change.now:2}. {title} ({change.neighbour.grade}: {shortened(change.neighbour.reason)})"
    if change.now is None:
        return f"- {change.was:2}. {title}"
    return f"~ {change.now:2}. {title} (was {change.was})"


def _change_record(note_id: str, change: Change) -> dict[str, Any]:
    return {"note": note_id, "was": change.was, "now": change.now, **change.neighbour.as_dict()}


def _remark(neighbour: Neighbour) -> str:
    marks = ["another topic"] * neighbour.bridge + ["linked"] * neighbour.linked
    return " · ".join([neighbour.grade, neighbour.reason, *marks])
