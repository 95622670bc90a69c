"""No regular expression of either package takes the square of a text's length, let alone more."""

from __future__ import annotations

import ast
import importlib
import json
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent
LENGTH = 20_000
# Those whose text is short by what stands before them: the most characters that they are given.
SHORT = {
    "indexer.mining._SHORT": 10,
    "indexer.analysis._ACRONYMS": 1000,
}
# Made of what was found in the text, and so in no module's namespace; where each is bounded says its module.
INSIDE = {"indexer/sources/markdown.py": 1}

_ANCHORED, _ANYWHERE = ("fullmatch", "match"), ("sub", "split", "findall", "finditer", "search")

# Times each pattern on what its own signs and the usual ones can make hard, in a process that can be ended.
TIMER = """
import json, re, sys, time
for name, pattern, flags, uses, length in json.load(sys.stdin):
    compiled = re.compile(pattern, flags)
    signs = sorted({sign for sign in pattern if sign.isprintable()} | set("aA0 ."))[-20:]
    hard = [sign * length + end for sign in signs for end in ("", "\\0")]
    hard += [(one + two) * (length // 2) + "\\0" for one, two in zip(signs, signs[1:] + signs[:1])]
    def took(text):
        begun = time.process_time()
        for use in uses:
            compiled.sub("", text) if use == "sub" else getattr(compiled, use)(text)
        return time.process_time() - begun
    square = ""
    for text in hard:
        whole = took(text)
        # Four times the text takes four times as long, or sixteen times where it takes the square.
        if whole > 0.1 and whole > 9 * took(text[: len(text) // 4 - 1] + text[-1]):
            square = square or text[:6]
    print(json.dumps([name, square]), flush=True)
"""


def patterns() -> list[tuple[str, str, int, list[str], int]]:
    """Every pattern that a module of ours holds by name or writes in place: where it stands, its text and flags, what
    it is used for ("sub" stands for whatever looks for all of its places), and the length of the longest text."""
    sources = {
        path: path.read_text("utf-8") for one in ("indexer", "search") for path in sorted((ROOT / one).rglob("*.py"))
    }
    together = "\n".join(sources.values())
    found: dict[tuple[str, int], tuple[str, set[str]]] = {}
    for path, source in sources.items():
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        for key, value in vars(importlib.import_module(name)).items():
            if isinstance(value, re.Pattern) and isinstance(value.pattern, str):
                uses = set(re.findall(rf"(?<!\w){key}\.(\w+)", source if key.startswith("_") else together))
                found.setdefault((value.pattern, value.flags), (f"{name}.{key}", set()))[1].update(uses or {"sub"})
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("re.") and node.args:
                written, use = node.args[0], ast.unparse(node.func).removeprefix("re.")
                if use in _ANCHORED + _ANYWHERE and isinstance(written, ast.Constant):
                    pattern = re.compile(written.value)
                    found.setdefault((pattern.pattern, pattern.flags), (f"{name}:{node.lineno}", set()))[1].add(use)
    return [
        (name, *key, sorted({use if use in _ANCHORED else "sub" for use in uses}), SHORT.get(name, LENGTH))
        for key, (name, uses) in found.items()
    ]


def squares(work: Sequence[tuple[str, str, int, list[str], int]]) -> dict[str, str]:
    """Name -> how a text begins that takes the square of its length, "" where none does."""
    done = subprocess.run(
        [sys.executable, "-c", TIMER], input=json.dumps(work), capture_output=True, text=True, timeout=300, check=True
    )
    return dict(json.loads(line) for line in done.stdout.splitlines())


def test_no_pattern_takes_the_square_of_a_text_s_length() -> None:
    found = squares(patterns())
    assert len(found) > 50
    assert {name: text for name, text in found.items() if text} == {}


def test_a_pattern_that_takes_the_square_is_found_and_another_is_not() -> None:
    known = {"a*b": ["sub"], "a*c": ["match"]}
    found = squares([(name, name, 0, uses, LENGTH) for name, uses in known.items()])
    assert {name: bool(text) for name, text in found.items()} == {"a*b": True, "a*c": False}


def test_every_pattern_is_written_out_or_known_to_be_made_of_the_text() -> None:
    made: dict[str, int] = {}
    for package in ("indexer", "search"):
        for path in sorted((ROOT / package).rglob("*.py")):
            tree = ast.parse(path.read_text("utf-8"))
            functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
            inside = {id(node) for function in functions for node in ast.walk(function)}
            for node in ast.walk(tree):
                if id(node) not in inside or not isinstance(node, ast.Call) or ast.unparse(node.func) != "re.compile":
                    continue
                if not isinstance(node.args[0], ast.Constant):
                    name = path.relative_to(ROOT).as_posix()
                    made[name] = made.get(name, 0) + 1
    assert made == INSIDE
