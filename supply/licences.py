"""This module reads the licences of what Kindred stands on, and knows which are allowed.

python -m supply.licences      writes LICENCES-THIRD-PARTY.md
"""

from __future__ import annotations

import re
from importlib.metadata import Distribution

from supply.closure import ROOT, canonical, closure, installed, pins

TABLE = ROOT / "LICENCES-THIRD-PARTY.md"
EXTRAS = ("dev", "mcp", "cluster")
# SPDX identifiers.  All let anyone use, change and pass on; the MPL asks for the source of changed files of its own,
# and none asks for ours.
ALLOWED = {
    "0BSD", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "BSD", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0",
    "CC0-1.0", "CNRI-Python", "ISC", "MIT", "MIT-0", "MPL-2.0", "PSF-2.0", "Zlib",
}  # fmt: skip
# Where the metadata say it in words of their own; "BSD" alone is one of the two, and both are allowed.
_CLASSIFIERS = {
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
_FIELDS = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2.0 License": "Apache-2.0",
    "Apache-2.0": "Apache-2.0",
    "BSD-3-Clause": "BSD-3-Clause",
    "MIT": "MIT",
    "MPL-2.0 AND MIT": "MPL-2.0 AND MIT",
}
# Where the metadata say nothing: read in the distribution itself.
_READ = {"axe-playwright-python": "MIT AND MPL-2.0"}  # axe-core, which it carries, is under the second


def licence_of(distribution: Distribution) -> str:
    """The licence as an SPDX expression, "" where the metadata do not say: the expression that they give, else what
    the classifiers name, else the field of old."""
    told = distribution.metadata
    if "License-Expression" in told:
        return told["License-Expression"]
    classifiers = [
        line.rpartition(" :: ")[2] for line in told.get_all("Classifier") or [] if line.startswith("License")
    ]
    known = sorted({_CLASSIFIERS[name] for name in classifiers if name in _CLASSIFIERS})
    if known:
        return " AND ".join(known)
    name = canonical(told["Name"])
    return _READ.get(name) or _FIELDS.get((told.get_all("License") or [""])[0], "")


def is_allowed(expression: str) -> bool:
    """Whether a licence is allowed: every part that AND joins, of those that OR joins one.

    Brackets are read from within: each counts as one licence.
    """
    if inner := re.search(r"\(([^()]*)\)", expression):
        read = "MIT" if is_allowed(inner[1]) else "none"
        return is_allowed(f"{expression[: inner.start()]}{read}{expression[inner.end() :]}")
    return all(
        any(choice.strip() in ALLOWED for choice in re.split(r"\bOR\b", part))
        for part in re.split(r"\bAND\b", expression)
    )


def table() -> str:
    """The text of LICENCES-THIRD-PARTY.md."""
    here = installed()
    needed = {canonical(found.metadata["Name"]) for found in closure(("mcp", "cluster"), here)}
    rows = [(canonical(found.metadata["Name"]), licence_of(found) or "unknown") for found in closure(EXTRAS, here)]
    elsewhere = sorted({canonical(pin.name) for pin in pins()} - {name for name, _ in rows})
    lines = [
        "# Licences of what Kindred stands on",
        "",
        "Written by `make licences` from the metadata of the distributions; their versions stand in constraints.txt.",
        "A test refuses any licence that is not in the list of `supply/licences.py`.",
        "The default encoder's weights, all-MiniLM-L6-v2, are under Apache-2.0.",
        "",
        "| distribution | licence | needed |",
        "|---|---|---|",
        *(f"| {name} | {licence} | {'to run' if name in needed else 'to test'} |" for name, licence in rows),
        "",
        "On other systems, with other versions of Python, or with a build of torch for more than the CPU also: "
        f"{', '.join(elsewhere)}.",
        "Of these, those that begin with cuda or nvidia are NVIDIA's, under licences of its own; torch's build for the "
        "CPU needs none of them.",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    TABLE.write_text(table(), "utf-8")
    print(f"wrote {TABLE.name}")
