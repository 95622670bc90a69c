"""This module holds the verbs that keep an index: they build it, look into it, verify it and score it."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

import click

from search.options import ensure_folder, index_option, json_line, json_option, mode_option, open_searcher

if TYPE_CHECKING:
    from indexer import Place
    from search.evaluate import Run

_SHOWN = 10  # warnings of one kind that are printed one by one


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@index_option
@click.option("--encoder", metavar="NAME", help="A sentence-transformers model: hub name or folder.")
@click.option("--language", metavar="NAME", help="Language of the stemmer and stop words; english at first.")
@click.option(
    "--device",
    metavar="NAME",
    help="Where notes are encoded: cpu, cuda, mps; by itself a graphics card for thousands of notes.",
)
@click.option(
    "--tokens/--no-tokens",
    default=None,
    help="Keep token vectors, 20 KB a note up to 20,000 notes, for a closer look at the best; as before, at first yes.",
)
@click.option("--rebuild", is_flag=True, help="Encode every note again, whatever state the index is in.")
@click.option("--tune/--no-tune", default=None, help="Let the notes teach the encoder; as the index is, if not given.")
@click.option("--watch", is_flag=True, help="Stay, and build again whenever the notes change, until Ctrl+C.")
@click.option("--quiet", is_flag=True, help="Print warnings and errors only.")
def index(
    paths: tuple[Path, ...],
    place: Place,
    encoder: str | None,
    language: str | None,
    device: str | None,
    tokens: bool | None,
    rebuild: bool,
    tune: bool | None,
    watch: bool,
    quiet: bool,
) -> None:
    """Index the notes in PATHS: saved cluster pages (.txt), Markdown, JSONL and CSV, or folders of them.

    Without PATHS, what the index was built from before, at first the folder data.  Only what changed is encoded
    again, and searches go on in the old index until the new one is complete.

    --tune takes a minute or two: each title learns to find its description, and what was learned is kept where titles
    that were held out find theirs better with it.  Later runs keep it, --no-tune drops it.

    --watch prints a line a build, and keeps the last index where a note cannot be read.

    Example: kindred index ~/vault --index ~/vault-index
    """
    from indexer import Analyser, BuildReport, Encoder, build_at, inputs_of, own_folder
    from search.display import report_text
    from search.likeness import hubness_of
    from search.progress import Progress
    from search.watching import keep_up, line_of

    if language is not None and language not in Analyser.languages():
        raise click.BadParameter(
            f"{language!r} is not one of: {', '.join(Analyser.languages())}", param_hint="--language"
        )
    started, first, told = 0.0, True, set[str]()

    def build(ready: Encoder | None = None) -> BuildReport:
        nonlocal started, first
        started, first = time.perf_counter(), ready is None
        with Progress(quiet) as progress:
            return build_at(
                paths,
                place,
                hubness_of,
                encoder=ready or encoder,
                language=language,
                device=device,
                tokens=tokens,
                rebuild=rebuild and ready is None,
                tune=None if ready else tune,
                progress=progress,
            )

    def say(report: BuildReport) -> None:
        """Print what was not printed before."""
        seconds = time.perf_counter() - started
        lines = {"warning: ": report.warnings, "left out: ": [] if quiet else report.left_out, "": report.remarks}
        for label, found in lines.items():
            _talk(label, [line for line in found if label + line not in told])
            told.update(label + line for line in found)
        if not quiet and (first or report.published):
            click.echo(line_of(report, seconds) if watch else report_text(report, seconds))

    if not watch:
        say(build())
        return
    with contextlib.suppress(KeyboardInterrupt):
        keep_up(paths or inputs_of(place), own_folder(place), build, say, Event())


@click.command()
@index_option
@json_option
def info(place: Place, as_json: bool) -> None:
    """Say what an index holds, what it was built from and with, and how many notes changed since.

    Example: kindred info --json
    """
    from indexer import changes_on_disk
    from search.status import describe, describe_text, freshness, freshness_text

    index = open_searcher(place).index
    facts, changed = describe(index), freshness(changes_on_disk(index))
    if as_json:
        click.echo(json_line({**facts, "freshness": changed}))
    else:
        click.echo(describe_text(facts, freshness_text(changed, place)))


@click.command()
@index_option
@click.option("--fresh", is_flag=True, help="Fail when notes changed since the build, or cannot be read, too.")
@json_option
def check(place: Place, fresh: bool, as_json: bool) -> None:
    """Verify every byte of an index, its encoder, that every note is found by words and by meaning, and whether notes
    changed since; exit 1 when it is not sound.

    `kindred index` puts right what is not.

    Example: kindred check && kindred search "reward hacking"
    """
    from search.display import count, safe
    from search.status import examine, stale_lines

    found = examine(place)
    stale = stale_lines(found["freshness"])
    unread = found["freshness"]["problem"] if found["freshness"] is not None else None
    if as_json:
        click.echo(json_line(found))
    else:
        for problem in found["problems"]:
            click.echo(safe(f"not sound: {problem}"))
        for leg in ("words", "meaning"):
            for note_id in found[f"not_by_{leg}"] or []:
                click.echo(f"not found by {leg}: {safe(note_id)}")
        if found["sound"]:
            click.echo(safe(f"The index in {place} is sound: {count(found['notes'], 'note')}, all in both legs."))
        else:
            click.echo(safe(f"To put it right, type: kindred index --index {place}"))
        if unread is not None:
            click.echo(safe(f"Whether it is fresh is not known here: {unread}"))
        if stale:
            differ = count(len(stale), "difference")
            click.echo(safe(f"It is not fresh ({differ} to the notes on disk); type: kindred index --index {place}"))
            _talk("", stale)
    if not found["sound"] or (fresh and (stale or unread is not None)):
        sys.exit(1)


@click.command("eval")
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
    place: Place,
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
    ensure_folder(run_path, "--run")
    searcher = open_searcher(place)
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
            click.echo(json_line({"ranking": name, "judged": len(judgements), **values}))
    else:
        click.echo(metrics_text(rows, len(judgements)))


def _talk(label: str, lines: Iterable[str]) -> None:
    """Print lines to stderr, and beyond a screenful only how many more there are."""
    from search.display import safe

    every = list(lines)
    for line in every[:_SHOWN]:
        click.echo(f"{label}{safe(line)}", err=True)
    if len(every) > _SHOWN:
        click.echo(f"{label}… and {len(every) - _SHOWN} more", err=True)
