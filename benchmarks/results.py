"""This module keeps what a benchmark measured: a JSON file, and the text made from it in README.md or another page."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"
README = ROOT / "README.md"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, without a line break at its end."""
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def save(name: str, record: dict[str, Any], text: str, page: Path = README) -> None:
    """Write results/<name>.json, and ``text`` between <!-- bench:<name> --> and <!-- end --> in a page; print it."""
    RESULTS.mkdir(exist_ok=True)
    content = json.dumps(record, ensure_ascii=False, indent=1)
    (RESULTS / f"{name}.json").write_text(content + "\n", encoding="utf-8")
    print(text)
    old = page.read_text(encoding="utf-8")
    page.write_text(_block(name).sub(lambda match: f"{match[1]}{text}\n{match[3]}", old), encoding="utf-8")


def saved(name: str) -> dict[str, Any]:
    """What ``save`` wrote last; empty where nothing was."""
    path = RESULTS / f"{name}.json"
    record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return record


def with_kept(rows: Sequence[dict[str, Any]], before: Sequence[dict[str, Any]], *names: str) -> list[dict[str, Any]]:
    """``rows``, and those of ``before`` that were not measured again, in the order of what stands under ``names``.

    That is what tells one row from another.  Says which are kept.
    """
    measured, known = ({tuple(row[name] for name in names): row for row in some} for some in (rows, before))
    for key in sorted(known.keys() - measured.keys()):
        print("kept as it was:", *key)
    found = known | measured
    return [found[key] for key in sorted(found)]


def save_reliability(key: str, tried: str, outcome: str, figures: dict[str, Any]) -> None:
    """Put one row, under a key of its own, into results/reliability.json and the README's table made from it."""
    record = saved("reliability") | {key: {"tried": tried, "outcome": outcome, **figures}}
    record = dict(sorted(record.items()))
    rows = [[row["tried"], row["outcome"]] for row in record.values()]
    save("reliability", record, table(["what was tried", "outcome"], rows))


def shown(name: str, page: Path = README) -> str:
    """The text that a page shows for a benchmark.  Raises ValueError where it has no place for it."""
    found = _block(name).search(page.read_text(encoding="utf-8"))
    if found is None:
        raise ValueError(f"{page.name} has no <!-- bench:{name} -->")
    return found[2]


def _block(name: str) -> re.Pattern[str]:
    return re.compile(rf"(<!-- bench:{name} -->\n)(.*?)\n?(<!-- end -->)", re.DOTALL)
