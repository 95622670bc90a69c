"""This module is the process in which libFuzzer tries one target: python -m fuzz.inside TARGET [libFuzzer's flags]."""

from __future__ import annotations

import sys

import atheris  # only where `make fuzz` put it


def main() -> None:
    """Never returns: libFuzzer ends the process."""
    with atheris.instrument_imports(include=["indexer", "search"]):
        from fuzz.targets import TARGETS
    atheris.Setup([sys.argv[0], *sys.argv[2:]], TARGETS[sys.argv[1]])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
