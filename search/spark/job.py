"""This module has Spark make the lists of all notes, in two stages, and puts them where they were asked for.

First every note's candidates are found, and how near it is to whatever is near it; then its list is made.  A list
wants the second of each of its candidates, which lie in all parts, so that with one stage each part would find the
candidates of half the notes: of 20,000, 200 lists take 1.3 s, and what they want of other parts 9 s.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from indexer import Home, Index, SourceError, open_home, open_previous, replace_text
from search.lists import Format, written
from search.spark.parts import Cut, Parts, in_order
from search.spark.session import results
from search.spark.work import Work, finding, lists_in_files, lists_in_lines, placing, relating

if TYPE_CHECKING:
    from indexer import Place

Progress = Callable[[str, int, int], None]
MANIFEST = "_manifest.json"  # names that begin so are skipped by those who read a folder of Parquet
_JOB = "_job.json"
_SPAN = 8 << 20  # bytes of a file of lists that one worker reads at a time, some thousand lists


@dataclass(frozen=True, slots=True)
class Made:
    """What came of it: ``changed`` lists are not as they were, None where there were none before."""

    n_notes: int
    changed: int | None


def relate_all(
    place: Place,
    k: int,
    output: Path,
    form: Format | None,
    fresh: bool,
    spark: AbstractContextManager[Any],
    progress: Progress = lambda stage, done, total: None,
) -> Made:
    """Write the lists of all notes to ``output``: a file of a form, or without one a folder of Parquet files.

    They are those of ``search.neighbours.all_related``, and so is the file.  They keep to the lists in ``output``, or
    without these to the generation before, unless ``fresh``.  The parts are made in ``output`` + ".parts" first, where
    every worker must be able to write; what is there of the same work is taken over.  ``spark`` gives a SparkContext,
    see ``search.spark.session``.

    Raises what that raises and what opening an index raises, and SourceError where ``output`` is nothing of ours or
    cannot be written.
    """
    index = open_home(place)
    before = None if fresh else _before(output, form, index)
    key = _key(index, k, before)
    scratch = output.absolute().with_name(f"{output.name}.parts")
    try:
        _begin(scratch, key)
        with spark as context:
            where = str(place.absolute() if isinstance(place, Path) else place)
            manifest = _made(context, where, index, k, scratch, key, before, progress)
        index.ensure_kept()
        _finish(scratch, output, form, manifest)
    except OSError as error:
        raise SourceError(error.filename or output, None, f"cannot be written ({error.strerror or error}).") from error
    changed = sum(part.pop("changed") for part in manifest["parts"])
    return Made(len(index), None if before is None else changed)


def read_folder(folder: Path) -> list[Path]:
    """The files of a folder that ``relate_all`` wrote, in order.  Raises SourceError for any other folder."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
        return [folder / part["file"] for part in manifest["parts"]]
    except (OSError, ValueError, KeyError, TypeError):
        raise SourceError(folder, None, "is no folder of related notes; delete it or name another.") from None


def _made(
    context: Any,
    where: str,
    index: Home,
    k: int,
    scratch: Path,
    key: str,
    before: Path | Index | None,
    progress: Progress,
) -> dict[str, Any]:
    """Make the parts of one generation in ``scratch``, and say what they are."""
    older: list[Path] | None = None
    if isinstance(before, Index):
        below = scratch / "_before"
        below.mkdir(exist_ok=True)
        made = _made(
            context, where, before, k, below, key, None, lambda stage, *done: progress(f"{stage} of before", *done)
        )
        older = [below / part["file"] for part in made["parts"]]
    elif before is not None and before.is_dir():
        older = read_folder(before)
    cut = Cut(len(index))
    work = Work(where, index.manifest.generation, k, Parts(scratch, key, cut))

    def run(stage: str, rdd: Any) -> list[Any]:
        return results(rdd, len(cut), lambda done: progress(stage, min(done * cut.size, len(index)), len(index)))

    every: Any = context.parallelize(range(len(cut)), len(cut))
    run("candidates", every.mapPartitions(partial(finding, work)))
    hubs = context.broadcast(work.parts.hubs())
    if older is not None:
        files: Any = context.parallelize(list(map(str, older)), max(len(older), 1))
        every = _placed(work, files.mapPartitions(lists_in_files))
    elif isinstance(before, Path):
        # Not by Spark's own reader of texts, to whom spaces, commas and brackets in a name mean something else.
        size = before.stat().st_size
        spans = [(begin, min(begin + _SPAN, size)) for begin in range(0, size, _SPAN)]
        lines: Any = context.parallelize(spans, max(len(spans), 1))
        every = _placed(work, lines.mapPartitions(partial(lists_in_lines, str(before.absolute()))))
    steady = before is not None
    parts = run("related notes", every.mapPartitionsWithIndex(partial(relating, work, hubs, steady)))
    return {"generation": index.manifest.generation, "k": k, "notes": len(index), "parts": parts}


def _placed(work: Work, lists: Any) -> Any:
    """Lists of before, each in the part where its note is now."""
    return lists.mapPartitions(partial(placing, work)).partitionBy(len(work.parts.cut), int)


def _before(output: Path, form: Format | None, index: Home) -> Path | Index | None:
    """The lists to keep to: what is in ``output``, else the generation before, where it is kept.  Raises SourceError
    where ``output`` is nothing of ours."""
    if output.is_dir() and any(output.iterdir()):
        if form is None:
            read_folder(output)
            return output
        raise SourceError(output, None, "is a folder; name a file.")
    if output.is_file():
        with output.open(encoding="utf-8", errors="replace") as file:
            first = file.readline()
        if first.startswith(('{"generation": ', '{"id": ')):
            return output
        if first.strip() and not first.startswith("note,rank,"):
            raise SourceError(output, None, "is no file of related notes; delete it or name another.")
    return open_previous(index) if isinstance(index, Index) else None


def _key(index: Home, k: int, before: Path | Index | None) -> str:
    """What names the work, so that a part is taken over only by the same work."""
    digest = hashlib.sha256(json.dumps([1, index.manifest.generation, len(index), k]).encode())
    if isinstance(before, Index):
        digest.update(before.manifest.generation.encode())
    elif before is not None:
        with (before / MANIFEST if before.is_dir() else before).open("rb") as file:
            while piece := file.read(1 << 20):
                digest.update(piece)
    return digest.hexdigest()


def _begin(scratch: Path, key: str) -> None:
    """Make the folder of parts, without what other work left there.  Raises SourceError where it is none of ours."""
    if scratch.exists():
        try:
            theirs = json.loads((scratch / _JOB).read_text("utf-8"))["work"]
        except (OSError, ValueError, KeyError, TypeError):
            raise SourceError(scratch, None, "is no folder of ours; delete it or name another file.") from None
        if theirs == key:
            return
        shutil.rmtree(scratch)
    scratch.mkdir()
    replace_text(scratch / _JOB, json.dumps({"made by": "kindred related", "work": key}) + "\n")


def _finish(scratch: Path, output: Path, form: Format | None, manifest: Mapping[str, Any]) -> None:
    """Write the file from its parts, or have their folder take the place of the one before."""
    files = [scratch / part["file"] for part in manifest["parts"]]
    if form is not None:
        replace_text(output, written(in_order(files), manifest["generation"], form))
        shutil.rmtree(scratch)
        return
    known = {path.name for path in files}
    for path in [path for path in scratch.iterdir() if path.name not in known]:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    parts = [{name: value for name, value in part.items() if name != "changed"} for part in manifest["parts"]]
    replace_text(scratch / MANIFEST, json.dumps({**manifest, "parts": parts}, indent=1) + "\n")
    old = output.with_name(f".{output.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if output.exists():
        output.rename(old)
    scratch.rename(output)
    shutil.rmtree(old, ignore_errors=True)
