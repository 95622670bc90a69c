"""Makes the fixture of the present format: an index of the toy notes, and the answers that it gives.

    python -m tests.formats.make

It is made once, when the number of the format rises, and then kept for good; the folder's name is the number.
Of a format that is no longer read the manifest is enough.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent)]

from toys import NOTES, ToyEncoder, write_jsonl  # noqa: E402 - a neighbour of this folder

from indexer import Index, build_index, open_index  # noqa: E402
from indexer.manifest import FORMAT  # noqa: E402
from search import MODES, Searcher  # noqa: E402

QUERIES = ("reward policy", "proof search memory", '"without a critic"', "proo*", "tag:rl", "rewrad")


def answers(index: Index) -> dict[str, list[list[object]]]:
    """The ids that an index finds, with their scores to six digits, by query and mode."""
    searcher = Searcher(index, ToyEncoder())
    return {
        f"{mode}: {query}": [[hit.note.id, round(hit.score, 6)] for hit in searcher.search(query, mode=mode)]
        for mode in MODES
        for query in QUERIES
    }


def main() -> None:
    """Write the folder of the present format; refuses to write over one."""
    target = HERE / str(FORMAT)
    target.mkdir()
    with TemporaryDirectory() as scratch:
        folder = Path(scratch) / "index"
        build_index([write_jsonl(Path(scratch) / "notes.jsonl", NOTES)], folder, encoder=ToyEncoder())
        shutil.copytree(folder, target / "index", ignore=shutil.ignore_patterns(".lock"))
        found = json.dumps(answers(open_index(folder)), ensure_ascii=False, indent=1)
        (target / "answers.json").write_text(found + "\n", "utf-8")


if __name__ == "__main__":
    main()
