"""This module holds what several commands share: options, arguments, how an index is opened and JSON written."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from indexer import Place
    from search.searcher import Searcher

F = TypeVar("F", bound=Callable[..., Any])


class _PlaceType(click.ParamType):  # type: ignore[type-arg]  # click has had parameters for it since 8.2
    """A folder, or the address of an index on an engine."""

    name = "place"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """See click."""
        if not isinstance(value, str):
            return value
        if not value.startswith("milvus+"):  # the rule, which shall not cost an import
            return Path(value)
        from indexer import KindredError, place_of

        try:
            return place_of(value)
        except KindredError as error:
            self.fail(str(error), param, ctx)


class _FolderType(_PlaceType):
    """A folder, for commands that read all of an index."""

    name = "folder"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """See click."""
        place = super().convert(value, param, ctx)
        if not isinstance(place, Path):
            self.fail(
                "this command reads an index in a folder; what was built for an engine lies in one of the "
                f"builder's machine: {place.workshop}",
                param,
                ctx,
            )
        return place


def _index_option(name: str, kind: click.ParamType, what: str) -> Callable[[F], F]:  # type: ignore[type-arg]
    return click.option(
        "--index",
        name,
        type=kind,
        envvar="KINDRED_INDEX",
        default=Path("index"),
        show_default=True,
        metavar="DIR",
        help=f"{what}; KINDRED_INDEX sets it as well.",
    )


index_option = _index_option("place", _PlaceType(), "Folder of the index, or its address on an engine")
folder_option = _index_option("folder", _FolderType(), "Folder of the index")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, one object a line.")
count_option = click.option(
    "-k", "k", type=click.IntRange(1), default=10, show_default=True, help="How many notes to print at most."
)
explain_option = click.option("--explain", is_flag=True, help="Show each leg's rank, score and matched terms.")
mode_option = click.option(
    "--mode",
    type=click.Choice(["lexical", "semantic", "hybrid"]),
    default="hybrid",
    show_default=True,
    help="Rank by words, by meaning, or by both.",
)


def _complete_note(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    from indexer import KindredError, open_home

    place = ctx.params.get("place") or ctx.params.get("folder") or os.environ.get("KINDRED_INDEX") or "index"
    try:
        ids = open_home(place).ids_around(incomplete, before=0, after=50)
    except KindredError:  # a shell that asks for completions has no place to show an error
        return []
    return [CompletionItem(note_id) for note_id in ids if note_id.startswith(incomplete)]


note_argument = click.argument("note", shell_complete=_complete_note)
optional_note_argument = click.argument("note", required=False, shell_complete=_complete_note)


def open_searcher(place: Place) -> Searcher:
    """The newest generation of an index; what it needs is imported now, so that help does not wait."""
    from search.searcher import Searcher

    return Searcher.open(place)


def json_line(record: Any) -> str:
    """See ``search.display.json_text``."""
    from search.display import json_text

    return json_text(record)


def ensure_folder(path: Path | None, option: str) -> None:
    """Refuse a file to be written whose folder is not there, before the work that it is to hold."""
    if path is not None and not path.absolute().parent.is_dir():
        from search.display import safe

        raise click.BadParameter(safe(f"there is no folder {path.parent}."), param_hint=option)


def write_out(path: Path, text: str | Iterable[str]) -> None:
    """Write a command's answer to a file, whole or not at all.  Raises SourceError where it cannot be written."""
    from indexer import SourceError, replace_text

    try:
        replace_text(path, text)
    except OSError as error:
        raise SourceError(path, None, f"cannot be written ({error.strerror}).") from error
