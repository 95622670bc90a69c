"""The README shows what the commands print, and the Python example runs.  `make docs` writes the output anew."""

import doctest
import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import search
from search.cli import main

README = Path(__file__).parent.parent / "README.md"
BLOCK = re.compile(r"```console\n\$ (kindred [^\n]+)\n(.*?)```", re.DOTALL)


def printed(command: str, index: Path) -> str:
    """What a command prints, on an 80 column terminal without colours; the index's folder as users have it."""
    environment = {**os.environ, "KINDRED_INDEX": str(index), "COLUMNS": "80", "NO_COLOR": "1"}
    script = f"{sys.executable} -m search.cli{command.removeprefix('kindred')}"
    done = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True, check=True)
    return done.stdout.replace(str(index), "index")


@pytest.mark.parametrize("command, shown", BLOCK.findall(README.read_text("utf-8")))
def test_the_readme_shows_what_the_command_prints(command: str, shown: str, owner_index: Path) -> None:
    assert shown == printed(command, owner_index)


def test_the_python_example_of_the_readme_runs(owner_index: Path) -> None:
    example = re.search(r"```python\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    assert example is not None
    code = example.group(1).replace('"index"', repr(str(owner_index)))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert [line.split()[0] for line in done.stdout.splitlines()[:3]] == ["1", "2", "3"]
    assert len(done.stdout.splitlines()) == 4


def test_the_examples_of_the_python_documentation_give_what_they_show(
    owner_index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(owner_index.parent)  # where "index" is
    assert doctest.testmod(search) == (0, 17)


def commands() -> dict[str, click.Command]:
    context = click.Context(main)
    found = {name: main.get_command(context, name) for name in main.list_commands(context)}
    return {name: command for name, command in found.items() if command is not None}


def test_every_command_and_every_option_explains_itself() -> None:
    for name, command in commands().items():
        shown = CliRunner().invoke(main, [name, "--help"])
        assert shown.exit_code == 0
        assert "Example: kindred" in shown.output
        for parameter in command.params:
            assert parameter.param_type_name == "argument" or getattr(parameter, "help", None), (name, parameter.name)


def test_every_command_stands_in_the_documents() -> None:
    text = README.read_text("utf-8") + (README.parent / "CHANGELOG.md").read_text("utf-8")
    for name in commands():
        assert re.search(rf"`(kindred )?{name}`|kindred {name}", text), name


@pytest.mark.parametrize("name", ["ARCHITECTURE.md", "CONTRIBUTING.md", "README.md", "SECURITY.md"])
def test_every_test_that_a_document_names_is_there(name: str) -> None:
    text = (README.parent / name).read_text("utf-8")
    missing = [path for path in re.findall(r"`(tests/[\w/]*(?:\.py)?)`", text) if not (README.parent / path).exists()]
    assert missing == []


def test_no_document_has_kindred_installed_by_a_name_that_is_another_project_s() -> None:
    root = README.parent
    texts = [path.read_text("utf-8") for path in (*root.glob("*.md"), *root.glob("deploy/**/*.md"))]
    commands = [line for text in texts for line in text.splitlines() if "pip install" in line]
    assert len(commands) >= 4
    assert [line for line in commands if re.search(r"install[^`]*['\" ]kindred(?!\S* @ file:///)", line)] == []


if __name__ == "__main__":
    import tempfile

    from indexer import build_index

    with tempfile.TemporaryDirectory() as scratch:
        build_index([README.parent / "data"], Path(scratch))
        text = README.read_text("utf-8")
        README.write_text(
            BLOCK.sub(lambda block: f"```console\n$ {block[1]}\n{printed(block[1], Path(scratch))}```", text), "utf-8"
        )
