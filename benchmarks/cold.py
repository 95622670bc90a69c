"""This module times whole commands as a person types them, against importing numpy and tokenizers alone.

    python -m benchmarks.cold

Each round runs every command once, so that a busy moment hits all of them; medians and their ratio are kept.
Python keeps bytecode, as it does wherever packages are installed, whatever the environment says: without it a third of
a search is compiling.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.results import ROOT, save, table
from indexer import build_index

ROUNDS = 15
QUESTION = "how do reward models fail when the policy exploits them?"


def parser() -> argparse.ArgumentParser:
    """No options but --help."""
    return argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)


def main() -> None:
    """Measure, save, print."""
    parser().parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        started = time.perf_counter()
        build_index([ROOT / "data"], Path(scratch))
        first_build = time.perf_counter() - started
        kindred = [sys.executable, "-m", "search.cli"]
        commands = {
            "python -c 'import numpy, tokenizers'": [sys.executable, "-c", "import numpy, tokenizers"],
            "kindred --help": [*kindred, "--help"],
            "kindred search (a question)": [*kindred, "search", QUESTION],
            "kindred search --mode lexical": [*kindred, "search", QUESTION, "--mode", "lexical"],
            "kindred index (nothing changed)": [*kindred, "index", str(ROOT / "data")],
        }
        environment = {**os.environ, "KINDRED_INDEX": scratch, "PYTHONPYCACHEPREFIX": f"{scratch}-bytecode"}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        times: dict[str, list[float]] = {name: [] for name in commands}
        for number in range(ROUNDS + 1):
            for name, command in commands.items():
                begun = time.perf_counter()
                subprocess.run(command, env=environment, check=True, capture_output=True, cwd=ROOT)
                if number:  # the first round writes the bytecode
                    times[name].append(time.perf_counter() - begun)
        shutil.rmtree(environment["PYTHONPYCACHEPREFIX"])
    medians = {name: statistics.median(values) for name, values in times.items()}
    base = next(iter(medians.values()))
    rows = [[f"`{name}`", f"{1000 * value:.0f} ms", f"{value / base:.1f}"] for name, value in medians.items()]
    rows.append(["`kindred index` (203 notes from nothing, in one process)", f"{1000 * first_build:.0f} ms", ""])
    record = {"rounds": ROUNDS, "median seconds": medians, "first build seconds": first_build}
    save("cold", record, table(["command", "median", "times the first row"], rows))


if __name__ == "__main__":
    main()
