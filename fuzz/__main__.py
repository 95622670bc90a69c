"""This module fuzzes every target for some minutes and keeps how many inputs were tried, in all runs together.

    python -m fuzz --minutes 10             all targets, one after another; needs the package atheris
    python -m fuzz --minutes 1 query        one of them
    python -m fuzz --replay FILE query      one input, for a debugger

Coverage decides which inputs are kept and changed further (libFuzzer, through atheris); the seeds are in fuzz/seeds,
what a run adds stays in build/fuzz.  An input that breaks a promise is printed, and belongs into the seeds once it is
mended: tests/test_fuzz.py tries all of them.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

from benchmarks.results import ROOT, save_reliability, saved
from fuzz.targets import TARGETS

SEEDS = ROOT / "fuzz" / "seeds"
CORPUS = ROOT / "build" / "fuzz"
_LONGEST = 4096  # bytes of an input
_SLOWEST = 20  # seconds for one, before it counts as endless
_COUNT = re.compile(r"stat::number_of_executed_units: +([0-9]+)")


def main() -> None:
    """Fuzz, or replay; exit 1 where a promise was broken."""
    options = argparse.ArgumentParser(prog="python -m fuzz")
    options.add_argument("targets", nargs="*", choices=[[], *TARGETS], help="At first all.")
    options.add_argument("--minutes", type=float, default=8, help="For all targets together.")
    options.add_argument("--replay", type=Path, metavar="FILE")
    chosen = options.parse_args()
    targets = chosen.targets or list(TARGETS)
    if chosen.replay is not None:
        for name in targets:
            TARGETS[name](chosen.replay.read_bytes())
        return
    tried, broken = {}, []
    for name in targets:
        tried[name], whole = _fuzz(name, chosen.minutes * 60 / len(targets))
        broken += [] if whole else [name]
    if broken:
        sys.exit(f"broken: {', '.join(broken)}")
    if not chosen.targets:
        before = saved("reliability").get("fuzz", {"minutes": 0, "targets": {}})
        every = {name: count + before["targets"].get(name, 0) for name, count in tried.items()}
        what = f"{sum(every.values()):,} inputs to readers, grammar, analyser, manifest and weights, guided by coverage"
        figures = {"minutes": before["minutes"] + chosen.minutes, "targets": every}
        save_reliability("fuzz", what, "none broke a promise", figures)


def _fuzz(name: str, seconds: float) -> tuple[int, bool]:
    """How many inputs a process of its own tried, and whether all of them kept the promises."""
    corpus = CORPUS / name
    corpus.mkdir(parents=True, exist_ok=True)
    flags = [f"-max_total_time={seconds:.0f}", f"-max_len={_LONGEST}", f"-timeout={_SLOWEST}", "-print_final_stats=1"]
    flags += [f"-artifact_prefix={CORPUS}/{name}-", "-verbosity=0", str(corpus), str(SEEDS / name)]
    command = [sys.executable, "-m", "fuzz.inside", name, *flags]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, errors="replace")
    found = _COUNT.search(done.stderr)
    if done.returncode != 0 or found is None:
        print(done.stdout[-4000:], done.stderr[-4000:], sep="\n")
        return 0, False
    print(f"{name}: {int(found[1]):,} inputs in {seconds:.0f} s", flush=True)
    return int(found[1]), True


if __name__ == "__main__":
    main()
