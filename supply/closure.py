"""This module finds the distributions that Kindred stands on, directly or not, as they are installed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import Distribution, distributions
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
PINS = ROOT / "constraints.txt"
KINDRED = "kindred"


def canonical(name: str) -> str:
    """A name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def installed(folders: Sequence[str] | None = None) -> dict[str, Distribution]:
    """Canonical name -> distribution, of those in ``folders`` or in this environment; the first of a name counts."""
    found: dict[str, Distribution] = {}
    for distribution in distributions() if folders is None else distributions(path=list(folders)):
        found.setdefault(canonical(distribution.metadata["Name"]), distribution)
    return found


def closure(extras: Iterable[str], within: dict[str, Distribution]) -> list[Distribution]:
    """What Kindred with ``extras`` stands on, itself left out, sorted by canonical name.

    Extras that a requirement asks for are followed by what is installed.  Raises KeyError with the name of what is
    missing.
    """
    names = set[str]()
    waiting = [(KINDRED, frozenset(extras))]
    seen = set(waiting)
    while waiting:
        name, named = waiting.pop()
        names.add(name)
        for other, more in _required(within[name], named):
            if (other, more) not in seen:
                seen.add((other, more))
                waiting.append((other, more))
    return [within[name] for name in sorted(names - {KINDRED})]


def pins() -> list[Requirement]:
    """The lines of constraints.txt, in their order."""
    lines = (line.partition("#")[0].strip() for line in PINS.read_text("utf-8").splitlines())
    return [Requirement(line) for line in lines if line]


def wanted(distribution: Distribution, extras: Iterable[str] = ()) -> list[str]:
    """Canonical names, sorted, that a distribution requires on this system, those of ``extras`` as well."""
    return sorted({name for name, _ in _required(distribution, frozenset(extras))})


def _required(distribution: Distribution, extras: frozenset[str]) -> Iterator[tuple[str, frozenset[str]]]:
    for line in distribution.requires or []:
        requirement = Requirement(line)
        if requirement.marker is None or any(
            requirement.marker.evaluate({"extra": extra}) for extra in ("", *sorted(extras))
        ):
            yield canonical(requirement.name), frozenset(requirement.extras)
