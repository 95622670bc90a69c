"""Opens an index and asks it, again and again, until stdin ends; every answer must be that of one generation.

Argument: the index's folder.  The first line of stdin holds the answers that are right, a list of those of each state.
Prints a JSON object at the end: how many answers were right, how many generations were seen, and what went wrong.
"""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path

from stage import answers

from indexer import IndexStateError, open_index


def main() -> None:
    """Ask until stdin ends."""
    folder, right = Path(sys.argv[1]), json.loads(sys.stdin.readline())
    ended = threading.Event()

    def wait() -> None:
        sys.stdin.read()
        ended.set()

    threading.Thread(target=wait, daemon=True).start()
    told = {"right": 0, "outrun": 0, "generations": 0, "wrong": []}
    seen = set()
    while not ended.is_set():
        index = None
        try:
            index = open_index(folder)
            found = json.loads(json.dumps(answers(index)))
        except IndexStateError as error:
            # What only Whoosh decides goes with a generation two publications later: then the newest one is asked.
            if index is not None and not index.is_current():
                told["outrun"] += 1
            else:
                told["wrong"].append(str(error))
            continue
        except Exception as error:
            told["wrong"].append(repr(error))
            continue
        if found in right:
            told["right"] += 1
        else:
            told["wrong"].append(f"{index.manifest.generation} answers what no generation does")
        if not seen:
            print("asking", flush=True)
        seen.add(index.manifest.generation)
    told["generations"] = len(seen)
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
