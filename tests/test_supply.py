"""What Kindred stands on: pinned, allowed, and told the same wherever it is told."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from importlib.metadata import Distribution, PathDistribution
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement

from indexer import encoders
from supply.closure import canonical, closure, installed, pins, wanted
from supply.encoder import encoder_files
from supply.licences import EXTRAS, TABLE, is_allowed, licence_of

ROOT = Path(__file__).parent.parent
SYSTEMS = [
    ("linux", "Linux", "x86_64"),
    ("linux", "Linux", "aarch64"),
    ("darwin", "Darwin", "arm64"),
    ("win32", "Windows", "AMD64"),
]


@pytest.fixture(scope="module")
def needed() -> list[Distribution]:
    """Whatever Kindred and its tests stand on here."""
    return closure(EXTRAS, installed())


def made_of(folder: Path, metadata: str) -> Distribution:
    """A distribution with these metadata."""
    (folder / "toy.dist-info").mkdir(exist_ok=True)
    (folder / "toy.dist-info" / "METADATA").write_text(metadata, "utf-8")
    return PathDistribution(folder / "toy.dist-info")


def test_every_version_is_pinned_and_no_other_is_installed(needed: list[Distribution]) -> None:
    here = {canonical(pin.name): pin for pin in pins() if pin.marker is None or pin.marker.evaluate()}
    for distribution in needed:
        name = canonical(distribution.metadata["Name"])
        assert name in here, f"{name} is not pinned; type: make pins"
        assert here[name].specifier.contains(distribution.version, prereleases=True), f"{name} {distribution.version}"


@pytest.mark.parametrize("python", ["3.10.13", "3.11.7", "3.12.1", "3.13.0"])
@pytest.mark.parametrize("system", SYSTEMS)
def test_on_every_python_and_system_each_name_has_one_version(python: str, system: tuple[str, str, str]) -> None:
    environment = {
        **default_environment(),
        "python_full_version": python,
        "python_version": python.rpartition(".")[0],
        "sys_platform": system[0],
        "platform_system": system[1],
        "platform_machine": system[2],
    }
    names = [canonical(pin.name) for pin in pins() if pin.marker is None or pin.marker.evaluate(environment)]
    assert len(names) == len(set(names))
    assert {"torch", "fastapi", "starlette", "numpy", "pytest", "mcp", "mypy", "tokenizers"} <= set(names)


def test_a_pin_is_one_version_and_names_no_machine() -> None:
    for name in ("constraints.txt", "supply/tools.txt", "tests/cluster/lite2.txt", "tests/cluster/lite3.txt"):
        text = (ROOT / name).read_text("utf-8")
        assert "://" not in text and "@" not in text
        for line in text.splitlines():
            if not line.startswith("#"):
                assert re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.]*( ; .+)?", line), line
    assert [pin.specifier.contains("2.13.0") for pin in pins() if pin.name == "torch"] == [True]


def test_the_wheel_is_made_by_the_very_version_that_its_tools_pin() -> None:
    required = re.search(r'^requires = \["(hatchling==[0-9.]+)"\]', (ROOT / "pyproject.toml").read_text("utf-8"), re.M)
    assert required is not None
    assert required[1] in (ROOT / "supply" / "tools.txt").read_text("utf-8").splitlines()


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="no checkout, so nobody knows which files are the sources")
def test_the_source_distribution_holds_every_file_of_a_checkout() -> None:
    kept = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    (named,) = re.findall(
        r"^\[tool\.hatch\.build\.targets\.sdist\]\ninclude = \[(.*?)\]", text, re.DOTALL | re.MULTILINE
    )
    included = tuple(re.findall(r'"/([^"]+)"', named))
    files = [path for path in kept.split("\0") if path]
    assert "Makefile" in files and "tests/conftest.py" in files
    lacking = [path for path in files if not f"{path}/".startswith(tuple(f"{entry}/" for entry in included))]
    assert lacking == ["pyproject.toml"]  # which hatchling takes by itself


def test_every_licence_is_known_allowed_and_in_the_table(needed: list[Distribution]) -> None:
    text = TABLE.read_text("utf-8")
    rows = dict(re.findall(r"^\| ([a-z0-9-]+) \| ([^|]+) \| to (?:run|test) \|$", text, re.MULTILINE))
    (others,) = re.findall(r"^On other systems, .* also: (.*)\.$", text, re.MULTILINE)
    elsewhere = set(others.split(", "))
    versions = Counter(canonical(pin.name) for pin in pins())  # an older Python has older ones, which tell it otherwise
    for distribution in needed:
        name, licence = canonical(distribution.metadata["Name"]), licence_of(distribution)
        if not name.startswith(("cuda-", "nvidia-")):  # what comes with torch for graphics cards is told apart
            assert is_allowed(licence), f"{name}: {licence or 'its metadata name no licence'}"
        known = name in elsewhere or rows.get(name) == licence or (name in rows and versions[name] > 1)
        assert known, f"{name} ({licence}) is not so in {TABLE.name}; type: make licences"


@pytest.mark.parametrize(
    "expression, allowed",
    [
        ("MIT", True),
        ("MIT AND Apache-2.0 WITH LLVM-exception", True),
        ("GPL-3.0-only OR BSD-3-Clause", True),
        ("MIT AND GPL-3.0-only", False),
        ("MIT AND GPL-3.0-only OR AGPL-3.0-only", False),
        ("(MIT OR GPL-3.0-only) AND ISC", True),
        ("MPL-2.0 AND (Apache-2.0 OR (MIT AND GPL-3.0-only))", True),
        ("MPL-2.0 AND (MIT AND GPL-3.0-only)", False),
        ("ISC AND (MIT", False),  # not an expression
        ("LicenseRef-Proprietary", False),
        ("mit", False),
        ("", False),
    ],
)
def test_a_licence_is_allowed_where_all_of_its_parts_are(expression: str, allowed: bool) -> None:
    assert is_allowed(expression) is allowed


@pytest.mark.parametrize(
    "metadata, licence",
    [
        ("License-Expression: ISC\nLicense: Other\n", "ISC"),
        ("License: whatever\nClassifier: License :: OSI Approved :: MIT License\n", "MIT"),
        (
            "Classifier: License :: OSI Approved :: MIT License\n"
            "Classifier: License :: OSI Approved :: BSD License\nClassifier: Programming Language :: C\n",
            "BSD AND MIT",
        ),
        ("Classifier: License :: OSI Approved :: GNU General Public License v3 (GPLv3)\nLicense: GPL\n", ""),
        ("License: MIT\n", "MIT"),
        ("", ""),
    ],
)
def test_a_licence_is_read_as_its_metadata_say_it(tmp_path: Path, metadata: str, licence: str) -> None:
    assert licence_of(made_of(tmp_path, f"Name: toy\nVersion: 1\n{metadata}")) == licence


def test_what_is_required_is_followed_through_extras_and_markers(tmp_path: Path) -> None:
    toys = {}
    for name, requires in {
        "kindred": ["a[fast]>=1", 'dev-only; extra == "dev"', 'never; sys_platform == "none"'],
        "a": ['b; extra == "fast"', 'c; extra == "other"', "D_e"],
        "b": ["a"],
        "c": [],
        "d-e": [],
        "dev-only": [],
    }.items():
        (tmp_path / name).mkdir()
        lines = "".join(f"Requires-Dist: {line}\n" for line in requires)
        toys[name] = made_of(tmp_path / name, f"Name: {name}\nVersion: 1\n{lines}")
    assert [one.metadata["Name"] for one in closure((), toys)] == ["a", "b", "d-e"]
    assert [one.metadata["Name"] for one in closure(("dev",), toys)] == ["a", "b", "d-e", "dev-only"]
    assert wanted(toys["a"]) == ["d-e"] and wanted(toys["a"], ["fast"]) == ["b", "d-e"]


def test_the_bill_of_materials_names_the_files_of_the_encoder_by_the_hashes_that_are_checked() -> None:
    name, carrier, files = encoder_files()
    assert (name, carrier) == (encoders.DEFAULT_ENCODER, Requirement(encoders._DEFAULT_REQUIREMENT).name)
    assert files == encoders._DEFAULT_SHA256
