"""This module is the command line: verbs over an index; stdout is data, stderr is talk."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from search.options import count_option, explain_option, index_option, json_option, mode_option, note_argument

if TYPE_CHECKING:
    from search.evaluate import Run
    from search.searcher import Hit, Searcher

Command = TypeVar("Command", bound=Callable[..., Any])
_GRADES = {
    "strong": "Strong match.",
    "fair": "Fair match.",
    "weak": "No note answers this; the closest are:",
}
_SHOWN = 10  # warnings of one kind that are printed one by one


class _Kindred(click.Group):
    """Prints what a person can put right as one sentence, and exits 1."""

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
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@index_option
@click.option("--encoder", metavar="NAME", help="A sentence-transformers model: hub name or folder.")
@click.option("--language", metavar="NAME", help="Language of the stemmer and stop words; english at first.")
@click.option("--device", metavar="NAME", help="Where torch runs an encoder that needs it: cpu, cuda, mps.")
@click.option("--rebuild", is_flag=True, help="Encode every note again, whatever state the index is in.")
@click.option("--quiet", is_flag=True, help="Print warnings and errors only.")
def index(
    paths: tuple[Path, ...],
    folder: Path,
    encoder: str | None,
    language: str | None,
    device: str | None,
    rebuild: bool,
    quiet: bool,
) -> None:
    """Index the notes in PATHS: saved cluster pages (.txt), Markdown, JSONL and CSV, or folders of them.

    Without PATHS, what the index was built from before, at first the folder data.  Only what changed is encoded
    again, and searches go on in the old index until the new one is complete.

    Example: kindred index ~/vault --index ~/vault-index
    """
    from indexer import Analyser, build_index
    from search.display import ProgressBars, report_text

    if language is not None and language not in Analyser.languages():
        raise click.BadParameter(
            f"{language!r} is not one of: {', '.join(Analyser.languages())}", param_hint="--language"
        )
    started = time.perf_counter()
    with ProgressBars(enabled=not quiet and sys.stderr.isatty()) as progress:
        report = build_index(
            paths, folder, encoder=encoder, language=language, device=device, rebuild=rebuild, progress=progress
        )
    _talk("warning: ", report.warnings)
    if not quiet:
        _talk("left out: ", report.left_out)
    _talk("", report.remarks)
    if not quiet:
        click.echo(report_text(report, time.perf_counter() - started))


@main.command()
@click.argument("query")
@index_option
@count_option
@mode_option
@explain_option
@json_option
def search(query: str, folder: Path, k: int, mode: Any, explain: bool, as_json: bool) -> None:
    """Find notes by keywords or by a plain question.

    Free words rank; "exact phrase", -excluded, a OR b, (groups), prefix*, fuzzy~, title:word, description:word,
    topic:"Reward Models" and tag:word decide what may appear.  Put -- before a query that begins with a minus.

    Example: kindred search "how do reward models fail?" -k 5
    """
    hits = _open(folder).search(query, k, mode)
    if hits and hits.grade and not as_json:
        click.echo(_GRADES[hits.grade], err=True)
    _print_hits(hits, explain, as_json, "No note matches.")


@main.command()
@note_argument
@index_option
@count_option
@explain_option
@json_option
def related(note: str, folder: Path, k: int, explain: bool, as_json: bool) -> None:
    """List the notes related to NOTE (an id, or a title).

    Example: kindred related can-we-reward-reasoning-steps-without-human-annotation
    """
    _print_hits(_open(folder).related(note, k), explain, as_json, "No note is related.", "likeness")


@main.command()
@note_argument
@index_option
@json_option
def show(note: str, folder: Path, as_json: bool) -> None:
    """Print NOTE (an id, or a title) in full.

    Example: kindred show can-we-reward-reasoning-steps-without-human-annotation --json
    """
    from search.display import note_text

    found = _open(folder).get(note)
    click.echo(_json(found.as_dict()) if as_json else note_text(found))


@main.command()
@index_option
@json_option
def info(folder: Path, as_json: bool) -> None:
    """Say what an index holds, and what it was built from and with.

    Example: kindred info --json
    """
    from search.status import describe, describe_text

    facts = describe(_open(folder).index)
    click.echo(_json(facts) if as_json else describe_text(facts))


@main.command()
@index_option
@click.option("--fresh", is_flag=True, help="Fail when notes changed since the index was built, too.")
def check(folder: Path, fresh: bool) -> None:
    """Verify every byte of an index, its encoder, and whether its notes changed since; exit 1 when it is not sound.

    Example: kindred check && kindred search "reward hacking"
    """
    from indexer import SourceError
    from search.display import count
    from search.status import changes, problems

    searcher = _open(folder)
    found = problems(searcher)
    for problem in found:
        click.echo(f"not sound: {problem}")
    try:
        stale = changes(searcher.index)
    except SourceError as error:
        stale = [f"its notes cannot be read: {error}"]
    if not found:
        click.echo(f"The index in {folder} is sound: {count(len(searcher.index), 'note')}, all in both legs.")
    if stale:
        click.echo(f"It is not fresh ({count(len(stale), 'difference')} to the notes on disk); type: kindred index")
        _talk("", stale)
    if found or (fresh and stale):
        sys.exit(1)


@main.command("eval")
@index_option
@click.option("--queries", type=click.Path(path_type=Path), help="BEIR's queries.jsonl.")
@click.option("--qrels", type=click.Path(path_type=Path), help="BEIR's qrels.tsv for the queries.")
@click.option("--related", "related_qrels", type=click.Path(path_type=Path), help="The same for related notes.")
@click.option("--run", "run_path", type=click.Path(path_type=Path), help="Write a TREC run of depth 100.")
@click.option(
    "--relevant-from",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="The least grade that recall and MRR count as relevant.",
)
@mode_option
@json_option
def evaluate_command(
    folder: Path,
    queries: Path | None,
    qrels: Path | None,
    related_qrels: Path | None,
    run_path: Path | None,
    relevant_from: int,
    mode: str,
    as_json: bool,
) -> None:
    """Score the rankings against judgements: queries with their qrels, or related notes.

    Prints nDCG@10 (linear gain, as trec_eval), recall@10 and MRR for each mode; --run writes the ranking of --mode.

    Example: kindred eval --queries queries.jsonl --qrels qrels.tsv --relevant-from 4
    """
    from search.display import metrics_text
    from search.evaluate import evaluate, read_judgements, write_run
    from search.trials import query_runs, related_run

    if (related_qrels is None) == (queries is None and qrels is None) or (queries is None) != (qrels is None):
        raise click.UsageError("give --queries and --qrels, or --related.")
    searcher = _open(folder)
    if related_qrels is not None:
        judgements = read_judgements(related_qrels)
        runs: dict[str, Run] = {"related": related_run(searcher, judgements)}
        chosen = "related"
    else:
        assert queries is not None and qrels is not None  # noqa: S101 - the usage check above says so to the type checker
        judgements = read_judgements(qrels)
        runs = query_runs(searcher, queries, judgements)
        chosen = mode
    rows = {name: evaluate(run, judgements, relevant_from) for name, run in runs.items()}
    if run_path is not None:
        write_run(run_path, runs[chosen], f"kindred-{chosen}")
    if as_json:
        for name, metrics in rows.items():
            values = {"ndcg@10": metrics.ndcg, "recall@10": metrics.recall, "mrr": metrics.mrr}
            click.echo(_json({"ranking": name, "judged": len(judgements), **values}))
    else:
        click.echo(metrics_text(rows, len(judgements)))


def _open(folder: Path) -> Searcher:
    from search.searcher import Searcher

    return Searcher.open(folder)


def _print_hits(hits: list[Hit], explain: bool, as_json: bool, nothing: str, measure: str = "match") -> None:
    from search.display import hits_text

    if as_json:
        for hit in hits:
            click.echo(_json(hit.as_dict(explain)))
    elif hits:
        click.echo(hits_text(hits, measure, explain))
    else:
        click.echo(nothing, err=True)


def _json(record: Any) -> str:
    return json.dumps(record, ensure_ascii=False)


def _talk(label: str, lines: Iterable[str]) -> None:
    """Print lines to stderr, and beyond a screenful only how many more there are."""
    from search.display import safe

    every = list(lines)
    for line in every[:_SHOWN]:
        click.echo(f"{label}{safe(line)}", err=True)
    if len(every) > _SHOWN:
        click.echo(f"{label}… and {len(every) - _SHOWN} more", err=True)


if __name__ == "__main__":
    main()
