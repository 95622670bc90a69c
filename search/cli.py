"""This module is the command line: a group of verbs, and those that ask; stdout is data, stderr is talk."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from search.options import (
    count_option,
    explain_option,
    index_option,
    json_line,
    json_option,
    mode_option,
    note_argument,
    open_searcher,
)

if TYPE_CHECKING:
    from indexer import Place

# The commands of other modules, which are imported when they are asked for: a search needs none of them.
_ELSEWHERE = ("check", "eval", "export", "garden", "index", "info", "mcp", "related", "serve")


class _Kindred(click.Group):
    """Prints what a person can put right as one sentence, and exits 1."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *_ELSEWHERE})

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        return super().get_command(ctx, name) or (_elsewhere()[name] if name in _ELSEWHERE else None)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # the reader of a pipe has seen enough, as in `kindred search … | head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(0)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            from indexer import KindredError  # here, so that `kindred --help` does not pay for numpy
            from search.display import safe

            if not isinstance(error, KindredError):
                raise
            click.echo(f"kindred: {safe(str(error))}", err=True)
            ctx.exit(1)


def _elsewhere() -> dict[str, click.Command]:
    from search.explore import related
    from search.garden_report import garden
    from search.mcp.command import mcp
    from search.server.command import serve
    from search.site.command import export
    from search.upkeep import check, evaluate_command, index, info

    found = (check, evaluate_command, export, garden, index, info, mcp, related, serve)
    return {command.name: command for command in found if command.name is not None}


@click.group(cls=_Kindred, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="kindred", message="%(prog)s %(version)s")
def main() -> None:
    """Search your notes by words and by meaning, and explore what is related, offline.

    Shell completion: eval "$(_KINDRED_COMPLETE=bash_source kindred)" (or zsh_source, fish_source).
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal that lacks a letter shows "?" instead of a traceback


@main.command()
@click.argument("query")
@index_option
@count_option
@mode_option
@explain_option
@click.option("--typing", is_flag=True, help="The last word is not finished: find words that begin so.")
@json_option
@click.option(
    "--no-server",
    is_flag=True,
    envvar="KINDRED_NO_SERVER",
    help="Search in this process even where a kindred serve runs; KINDRED_NO_SERVER=1 says so as well.",
)
def search(
    query: str, place: Place, k: int, mode: Any, typing: bool, explain: bool, as_json: bool, no_server: bool
) -> None:
    """Find notes by keywords or by a plain question.

    Free words rank; "exact phrase", -excluded, a OR b, (groups), prefix*, fuzzy~, title:word, description:word,
    topic:"Reward Models" and tag:word decide what may appear.  Put -- before a query that begins with a minus.

    Example: kindred search "how do reward models fail?" -k 5
    """
    from search.display import SAID, hits_text, safe

    found = None if no_server else _served(place, query, k, mode, typing, explain or not as_json)
    if found is None:
        with _uncollected():
            found = open_searcher(place).search(query, k, mode, typing).as_dict(explain or not as_json)
    if found["suggestion"] and not as_json:
        click.echo(f"Did you mean: {safe(found['suggestion'])}", err=True)
    if found["hits"] and found["grade"] and not as_json:
        click.echo(SAID[found["grade"]], err=True)
    if as_json:
        for hit in found["hits"]:
            click.echo(json_line(hit))
    elif found["hits"]:
        click.echo(hits_text(found["hits"], explain=explain))
    else:
        click.echo("No note matches.", err=True)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Within it nobody looks for garbage: importing and one search leave none, and looking takes 12 of 230 ms."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _served(place: Place, *asked: Any) -> dict[str, Any] | None:
    """What a running server of the index answers, or None; see ``search.served``."""
    folder = place if isinstance(place, Path) else place.cache
    if not (folder / "server.json").is_file():  # the rule, which shall not cost an import
        return None
    from search.served import ask

    return ask(folder, *asked)


@main.command()
@click.argument("query")
@note_argument
@index_option
@json_option
def why(query: str, note: str, place: Place, as_json: bool) -> None:
    """Say why NOTE (an id, or a title) stands where it stands when QUERY is searched.

    Tells its rank, the words that it has and lacks, its figures beside those of the notes ahead, and what would
    lift it.  Put -- before a query that begins with a minus.

    Example: kindred why "reward hacking" can-llms-design-reward-functions-for-reinforcement-learning
    """
    from search.reasons import why_text
    from search.why import explain

    found = explain(open_searcher(place), query, note)
    click.echo(json_line(found.as_dict()) if as_json else why_text(found))


@main.command()
@note_argument
@index_option
@json_option
def show(note: str, place: Place, as_json: bool) -> None:
    """Print NOTE (an id, or a title) in full.

    Example: kindred show can-we-reward-reasoning-steps-without-human-annotation --json
    """
    from search.display import note_text

    found = open_searcher(place).get(note)
    click.echo(json_line(found.as_dict()) if as_json else note_text(found))


if __name__ == "__main__":
    main()
