"""This module says how what Kindred can do without is installed."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, requires

_NAME = re.compile(r"[\w.-]+")


def pip_line(*packages: str) -> str:
    """The command that installs ``packages`` in the versions that Kindred asks for.

    They are named themselves, because an extra of a project is found by the name of the project, and the public index
    has another one of this name.
    """
    try:
        asked = requires("kindred") or []
    except PackageNotFoundError:  # run from its source, without having been installed
        asked = []
    wanted = {match[0]: line.partition(";")[0].strip() for line in asked if (match := _NAME.match(line))}
    return "pip install " + " ".join(f'"{wanted.get(package, package)}"' for package in packages)
