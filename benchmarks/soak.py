"""This module keeps a running `kindred serve` busy for hours at half of what it can do, and looks for what grows.

    python -m benchmarks.soak --hours 1

Questions that were asked before and new ones, related notes, pages and mistakes are asked at even intervals, and once
a minute a changed note is published.  Memory, files and threads of the server are read from /proc (Linux) every ten
seconds.  Growth is the slope of a line through the minutes' smallest memory in the second half of the time: in the
first the server's memories of answers and questions fill.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import count, cycle
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
import numpy as np

from benchmarks.judged import owner_notes
from benchmarks.results import ROOT, save_reliability
from benchmarks.serve import served
from indexer import build_index, open_index
from search.site.names import page_name

CLIENTS = 8  # that measure how much the server can do
EVERY, PUBLISHED = 10, 60  # seconds between two samples, and between two publications
WARM = 0.5  # of the time, before growth is looked for
_AT_MOST = 256  # requests that wait; more would say that the rate is beyond the machine
Ask = tuple[str, int]  # a path, and the status that it must be answered with


def asks(queries: Sequence[str], ids: Sequence[str]) -> Iterator[Ask]:
    """What is asked, for ever: in twenty requests nine known questions, four new ones, and one of each other kind."""
    known = cycle([f"/api/search?q={quote(query)}" for query in queries])
    notes, pages = cycle(ids), cycle(["/", "/map.html", "/topics.html", "/assets/page.js"])
    for number in count():
        query = quote(queries[number % len(queries)])
        note = next(notes)
        yield from ((next(known), 200) for _ in range(9))
        yield f"/api/search?q={query}%20{number}", 200
        yield f"/api/search?q={query}%20{number}&mode=lexical&k=50&explain=true", 200
        yield f"/api/search?q=%22reward%20model%22%20{number}%20re*", 200
        yield f"/api/suggest?q={query[: 3 + number % 40].partition('%')[0]}{number}", 200
        yield f"/api/notes/{note}/related", 200
        yield f"/api/why?q={query}&note={note}", 200
        yield next(pages), 200
        yield f"/notes/{page_name(note)}.html", 200
        yield f"/api/notes/nobody-{number}", 404
        yield f"/api/search?q={query}&k={number + 101}", 422
        yield "/api/info", 200


class Tally:
    """What was asked, how long each answer took, and what went wrong."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.failures: list[str] = []

    async def ask(self, client: httpx2.AsyncClient, ask: Ask) -> None:
        """Ask, and keep what came of it."""
        path, status = ask
        started = time.perf_counter()
        try:
            answer = await client.get(path)
            if answer.status_code != status:
                self.failures.append(f"{answer.status_code} {path}")
        except httpx2.HTTPError as error:
            self.failures.append(f"{type(error).__name__} {path}")
        self.seconds.append(time.perf_counter() - started)


async def capacity(address: str, requests: Iterator[Ask], seconds: float) -> float:
    """Answers a second to ``CLIENTS`` that ask again at once."""
    tally, end = Tally(), time.perf_counter() + seconds

    async def asking(client: httpx2.AsyncClient) -> None:
        while time.perf_counter() < end:
            await tally.ask(client, next(requests))

    async with httpx2.AsyncClient(base_url=address, timeout=60) as client:
        await asyncio.gather(*(asking(client) for _ in range(CLIENTS)))
    return len(tally.seconds) / seconds


async def steady(address: str, requests: Iterator[Ask], rate: float, seconds: float) -> Tally:
    """Ask ``rate`` times a second at even intervals, whatever is answered when."""
    tally, waiting = Tally(), set[asyncio.Task[None]]()
    # A client that keeps a connection for as long as the server does asks on one that is just being closed.
    limits = httpx2.Limits(max_connections=32, keepalive_expiry=2)
    async with httpx2.AsyncClient(base_url=address, timeout=120, limits=limits) as client:
        begun = time.perf_counter()
        for number in range(int(rate * seconds)):
            await asyncio.sleep(max(0.0, begun + number / rate - time.perf_counter()))
            while len(waiting) >= _AT_MOST:
                await asyncio.sleep(0.05)
            task = asyncio.create_task(tally.ask(client, next(requests)))
            waiting.add(task)
            task.add_done_callback(waiting.discard)
            if time.perf_counter() - begun > seconds:
                break
        await asyncio.gather(*waiting)
    return tally


async def publishing(notes: Path, index: Path, seconds: float) -> int:
    """Change a note and build the index in a process of its own, once a minute; how often it was done."""
    done, end = 0, time.perf_counter() + seconds
    command = [sys.executable, "-m", "search.cli", "index", str(notes), "--index", str(index), "--quiet"]
    while time.perf_counter() + PUBLISHED < end:
        await asyncio.sleep(PUBLISHED)
        done += 1
        changed = {"id": "soaking", "title": f"Edition {done}", "description": f"A reward in minute {done}."}
        (notes / "soaking.jsonl").write_text(json.dumps(changed) + "\n", "utf-8")
        process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stderr=asyncio.subprocess.PIPE)
        said = (await process.communicate())[1].decode()
        if process.returncode != 0:
            raise RuntimeError(f"kindred index failed: {said}")
    return done


def sample(pid: int) -> dict[str, float]:
    """MB of memory of its own and in all, open files and threads of a process, now."""
    process = Path(f"/proc/{pid}")
    lines = (process / "status").read_text("utf-8").splitlines()
    facts = dict(line.split(":", 1) for line in lines)
    numbers = {name: float(facts[key].split()[0]) for name, key in _FACTS.items()}
    handles = float(sum(1 for _ in (process / "fd").iterdir()))
    return {
        "own MB": numbers["own"] / 1024,
        "MB": numbers["all"] / 1024,
        "files": handles,
        "threads": numbers["threads"],
    }


_FACTS = {"own": "RssAnon", "all": "VmRSS", "threads": "Threads"}


async def sampling(pid: int, samples: list[dict[str, float]]) -> None:
    """Take a sample again and again."""
    begun = time.perf_counter()
    for number in count():
        await asyncio.sleep(max(0.0, begun + number * EVERY - time.perf_counter()))
        samples.append({"second": time.perf_counter() - begun, **sample(pid)})


def growth(samples: Sequence[dict[str, float]], name: str) -> tuple[float, float]:
    """The slope of ``name`` in an hour, by least squares, and twice its standard error.

    Each minute counts by its smallest value, because what a publication or a burst takes for a moment is no growth;
    the first ``WARM`` of the time does not count.  NaN with fewer than three minutes.
    """
    minutes: dict[int, list[float]] = {}
    begin = WARM * samples[-1]["second"]
    for one in samples:
        if one["second"] >= begin:
            minutes.setdefault(int(one["second"] // 60), []).append(one[name])
    if len(minutes) < 3:
        return math.nan, math.nan
    x = np.array(list(minutes)) / 60
    y = np.array([min(values) for values in minutes.values()])
    spread = float(((x - x.mean()) ** 2).sum())
    slope = float(((x - x.mean()) * (y - y.mean())).sum()) / spread
    rest = y - y.mean() - slope * (x - x.mean())
    return slope, 2 * math.sqrt(float((rest**2).sum()) / (len(x) - 2) / spread)


async def soaked(scratch: Path, hours: float, rate: float | None) -> dict[str, Any]:
    """Soak a server over the owner's notes; JSON-ready."""
    notes, index = scratch / "notes", scratch / "index"
    shutil.copytree(ROOT / "data", notes)
    build_index([notes], index)
    ids = [note.id for note in open_index(index).notes()]
    requests = asks(list(owner_notes().texts().values()), ids)
    samples: list[dict[str, float]] = []
    with served(index) as address:
        can = await capacity(address, requests, 10)
        pid = json.loads((index / "server.json").read_text("utf-8"))["pid"]
        chosen = can / 2 if rate is None else rate
        watcher = asyncio.create_task(sampling(pid, samples))
        begun, seconds = time.perf_counter(), hours * 3600
        tally, published = await asyncio.gather(
            steady(address, requests, chosen, seconds), publishing(notes, index, seconds)
        )
        took = time.perf_counter() - begun
        watcher.cancel()
    slope, error = growth(samples, "own MB")
    times = sorted(tally.seconds)
    warm = [one for one in samples if one["second"] >= WARM * samples[-1]["second"]]
    return {
        "hours": took / 3600,
        "answers a second at most": can,
        "asked a second": len(times) / took,
        "requests": len(times),
        "failed": len(tally.failures),
        "failures": tally.failures[:20],
        "publications": published,
        "p50 ms": times[len(times) // 2] * 1e3,
        "p99 ms": times[int(len(times) * 0.99)] * 1e3,
        "own MB": [warm[0]["own MB"], warm[-1]["own MB"]],
        "MB an hour": slope,
        "two standard errors": error,
        "files": [min(one["files"] for one in warm), max(one["files"] for one in warm)],
        "threads": [min(one["threads"] for one in warm), max(one["threads"] for one in warm)],
        "samples": [{name: round(value, 1) for name, value in one.items()} for one in samples[::6]],
    }


def row(record: dict[str, Any]) -> tuple[str, str]:
    """What the table says: what was tried, and what came of it."""
    tried = (
        f"{record['requests']:,} requests to a server in {record['hours']:.2g} hours, {record['asked a second']:.0f} a "
        f"second of the {record['answers a second at most']:.0f} that it can, and {record['publications']} publications"
    )
    files, threads = (f"{low:.0f} to {high:.0f}" for low, high in (record["files"], record["threads"]))
    outcome = (
        f"{record['failed']:,} failed; memory {record['own MB'][0]:.0f} to {record['own MB'][1]:.0f} MB, "
        f"{record['MB an hour']:+.1f} ± {record['two standard errors']:.1f} MB an hour; {files} files, "
        f"{threads} threads"
    )
    return tried, outcome


def parser() -> argparse.ArgumentParser:
    """The options."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--hours", type=float, default=1.0)
    options.add_argument("--rate", type=float, help="requests a second; if not given, half of what was measured")
    return options


def main() -> None:
    """Soak, save, print."""
    chosen = parser().parse_args()
    if not Path("/proc/self/status").is_file():
        sys.exit("This system has no /proc to read memory, files and threads from: the soak runs on Linux.")
    with tempfile.TemporaryDirectory() as scratch:
        record = asyncio.run(soaked(Path(scratch), chosen.hours, chosen.rate))
    for failure in record["failures"]:
        print("failed:", failure, file=sys.stderr)
    save_reliability("soak", *row(record), record)


if __name__ == "__main__":
    main()
