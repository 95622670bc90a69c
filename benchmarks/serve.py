"""This module loads a running `kindred serve` with clients that keep their connections, and measures what it answers.

Each kind of query is asked twice: as it is, so that the server has answered it before, and with a number behind it,
so that it has not.  ``wrk`` asks where it is installed (Debian: apt install wrk); else a client in Python does, whose
own time then counts.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote
from urllib.request import urlopen

import httpx2

from benchmarks.judged import owner_notes
from benchmarks.results import ROOT, save, table
from indexer import build_index

CLIENTS, SECONDS = 8, 5
_ROWS = {
    "words, asked before": ("mode=lexical", False),
    "words and meaning, asked before": ("mode=hybrid", False),
    "words, new": ("mode=lexical", True),
    "words and meaning, new": ("mode=hybrid", True),
}
# %s: paths; each request takes the next, with its number behind it where "new" is true.
_LUA = """
local paths, new, at = {%s}, %s, 0
request = function()
  at = at + 1
  local path = paths[(at - 1) %% #paths + 1]
  return wrk.format("GET", new and path .. "%%20" .. at or path)
end
done = function(summary, latency)
  local failed = summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.timeout
  io.write(string.format("figures %%d %%d %%f %%f %%d\\n",
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), failed))
end
"""


@contextmanager
def served(index: Path) -> Iterator[str]:
    """The address of a server of its own, which stops afterwards."""
    words = [sys.executable, "-m", "search.cli", "serve", "--index", str(index), "--port", "0", "--log", "off"]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stderr is not None  # noqa: S101 - a pipe was asked for
        found = re.search(r"http://\S+", process.stderr.readline())
        if found is None:
            raise RuntimeError("kindred serve did not start")
        try:
            yield found[0]
        finally:
            process.terminate()


def by_wrk(address: str, paths: list[str], new: bool) -> dict[str, float]:
    """What ``CLIENTS`` connections of wrk measure in ``SECONDS``."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(_LUA % (",".join(map(json.dumps, paths)), str(new).lower()))
        script.flush()
        words = ["wrk", "-t1", f"-c{CLIENTS}", f"-d{SECONDS}", "-s", script.name, address]
        done = subprocess.run(words, capture_output=True, text=True, check=True)
    found = re.search(r"figures (.*)", done.stdout)
    if found is None:
        raise RuntimeError(done.stdout + done.stderr)
    requests, microseconds, p50, p99, failed = map(float, found[1].split())
    return _figures(requests, microseconds / 1e6, p50 / 1e3, p99 / 1e3, failed)


async def by_python(address: str, paths: list[str], new: bool) -> dict[str, float]:
    """The same by a client of this process."""
    numbers, times, failed = count(), list[float](), 0
    end = time.perf_counter() + SECONDS

    async def ask() -> None:
        nonlocal failed
        async with httpx2.AsyncClient(base_url=address) as client:
            while (started := time.perf_counter()) < end:
                at = next(numbers)
                path = paths[at % len(paths)] + (f"%20{at}" if new else "")
                failed += (await client.get(path)).status_code != 200
                times.append(time.perf_counter() - started)

    await asyncio.gather(*(ask() for _ in range(CLIENTS)))
    times.sort()
    middle, late = times[len(times) // 2], times[int(len(times) * 0.99)]
    return _figures(len(times), SECONDS, middle * 1e3, late * 1e3, failed)


def _figures(requests: float, seconds: float, p50: float, p99: float, failed: float) -> dict[str, float]:
    return {"requests": requests, "a second": requests / seconds, "p50 ms": p50, "p99 ms": p99, "failed": failed}


def megabytes(address: str) -> float:
    """The server's memory as it stands in RAM, those parts of files that it reads among it."""
    with urlopen(f"{address}/metrics") as answer:  # noqa: S310 - our own server
        found = re.search(r"^process_resident_memory_bytes (\S+)", answer.read().decode(), re.MULTILINE)
    return float(found[1]) / 1e6 if found else float("nan")


def parser() -> argparse.ArgumentParser:
    """No options but --help."""
    return argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)


def main() -> None:
    """Measure, save, print."""
    parser().parse_args()
    wrk = shutil.which("wrk") is not None
    queries = [quote(text) for text in owner_notes().texts().values()]
    measured: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        build_index([ROOT / "data"], Path(scratch))
        with served(Path(scratch)) as address:
            for options in dict.fromkeys(options for options, _ in _ROWS.values()):
                for query in queries:
                    urlopen(f"{address}/api/search?{options}&q={query}").close()  # noqa: S310 - our own server
            before = megabytes(address)
            for name, (options, new) in _ROWS.items():
                paths = [f"/api/search?{options}&q={query}" for query in queries]
                by = by_wrk(address, paths, new) if wrk else asyncio.run(by_python(address, paths, new))
                measured[name] = by
            after = megabytes(address)
    record = {
        "client": "wrk" if wrk else "python",
        "clients": CLIENTS,
        "seconds": SECONDS,
        "rows": measured,
        "MB before": before,
        "MB after": after,
    }
    save("serve", record, serve_text(record))


def serve_text(record: dict[str, Any]) -> str:
    """The table, and a line on memory and on who asked."""
    rows = [
        [name, f"{row['a second']:,.0f}", f"{row['p50 ms']:.1f} ms", f"{row['p99 ms']:.1f} ms", f"{row['failed']:.0f}"]
        for name, row in record["rows"].items()
    ]
    total = sum(row["requests"] for row in record["rows"].values())
    own_time = "a client in Python, whose own time counts (wrk is not installed)"
    return (
        table(["the judged queries", "answers a second", "median", "99 of 100 within", "failed"], rows)
        + f"\n\n{record['clients']} connections that stay open, {record['seconds']} seconds a row, asked by "
        f"{'wrk' if record['client'] == 'wrk' else own_time}; the server's memory was {record['MB before']:.0f} MB "
        f"before and {record['MB after']:.0f} MB after {total:,.0f} answers."
    )


if __name__ == "__main__":
    main()
