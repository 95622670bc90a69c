"""The table below is the diagram of ARCHITECTURE.md; every import, lazy ones too, is held against it."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOUNDATION = {"indexer.errors"}
# module -> modules of ours that it may import
ARROWS = {
    "indexer": {
        "indexer", "indexer.analysis", "indexer.bert", "indexer.blas", "indexer.build", "indexer.calibration",
        "indexer.cluster", "indexer.cluster.address", "indexer.demands", "indexer.encoders", "indexer.errors",
        "indexer.extras", "indexer.files", "indexer.freshness", "indexer.home", "indexer.impacts", "indexer.late",
        "indexer.manifest", "indexer.notes", "indexer.pairs", "indexer.places", "indexer.previous",
        "indexer.protocols", "indexer.store", "indexer.vectors", "indexer.watch", "indexer.words",
    },
    "indexer.errors": set(),
    "indexer.analysis": set(),
    "indexer.arrays": set(),
    "indexer.files": set(),
    "indexer.integrity": {"indexer.files"},
    "indexer.blas": set(),
    "indexer.bert": set(),
    "indexer.notes": {"indexer.analysis", "indexer.errors"},
    "indexer.protocols": {"indexer.bert"},
    "indexer.adapters": {"indexer.bert"},
    "indexer.kernels": set(),
    "indexer.packed": {"indexer.bert", "indexer.kernels"},
    "indexer.foreign": {"indexer.bert", "indexer.errors", "indexer.protocols"},
    "indexer.encoders": {
        "indexer.adapters", "indexer.bert", "indexer.blas", "indexer.errors", "indexer.files", "indexer.foreign",
        "indexer.packed", "indexer.protocols", "indexer.torch_bert",
    },
    "indexer.torch_bert": {"indexer.bert", "indexer.errors"},
    "indexer.lora": {
        "indexer.adapters", "indexer.bert", "indexer.blas", "indexer.errors", "indexer.torch_bert",
    },
    "indexer.tuning": {
        "indexer.adapters", "indexer.blas", "indexer.encoders", "indexer.errors", "indexer.late", "indexer.lora",
        "indexer.notes", "indexer.protocols", "indexer.store",
    },
    "indexer.tokens": {"indexer.analysis", "indexer.notes"},
    "indexer.postings": {
        "indexer.analysis", "indexer.arrays", "indexer.notes", "indexer.tokens", "indexer.vocabulary",
    },
    "indexer.reader": {"indexer.postings"},
    "indexer.lexical": {"indexer.postings", "indexer.reader"},
    "indexer.grams": {"indexer.analysis", "indexer.arrays", "indexer.impacts", "indexer.tokens", "indexer.vocabulary"},
    "indexer.vocabulary": set(),
    "indexer.impacts": {
        "indexer.analysis", "indexer.arrays", "indexer.postings", "indexer.tokens", "indexer.vocabulary",
    },
    "indexer.acronyms": {"indexer.arrays", "indexer.vocabulary"},
    "indexer.phrases": {"indexer.analysis", "indexer.tokens"},
    "indexer.mining": {
        "indexer.acronyms", "indexer.analysis", "indexer.impacts", "indexer.notes", "indexer.phrases",
        "indexer.tokens", "indexer.vocabulary",
    },
    "indexer.words": {"indexer.analysis", "indexer.arrays", "indexer.impacts", "indexer.tokens", "indexer.vocabulary"},
    "indexer.artefacts": {
        "indexer.acronyms", "indexer.analysis", "indexer.grams", "indexer.impacts", "indexer.mining", "indexer.notes",
        "indexer.postings", "indexer.renewal", "indexer.tokens", "indexer.words",
    },
    "indexer.renewal": {
        "indexer.errors", "indexer.files", "indexer.notes", "indexer.publish", "indexer.sources",
        "indexer.sources.files", "indexer.store", "indexer.vectors",
    },
    "indexer.ways": {
        "indexer.adapters", "indexer.analysis", "indexer.impacts", "indexer.manifest", "indexer.notes",
        "indexer.protocols", "indexer.publish", "indexer.renewal", "indexer.sources", "indexer.store",
    },
    "indexer.partial": {
        "indexer.artefacts", "indexer.bert", "indexer.codes", "indexer.encoding", "indexer.freshness",
        "indexer.manifest", "indexer.protocols", "indexer.publish", "indexer.renewal", "indexer.store",
        "indexer.vectors", "indexer.whitening",
    },
    "indexer.vectors": {"indexer.bert", "indexer.codes"},
    "indexer.late": {"indexer.arrays", "indexer.bert", "indexer.impacts", "indexer.vectors"},
    "indexer.pairs": {"indexer.bert", "indexer.impacts", "indexer.late", "indexer.vectors"},
    "indexer.calibration": {"indexer.bert", "indexer.impacts", "indexer.pairs"},
    "indexer.whitening": {"indexer.bert", "indexer.notes", "indexer.pairs", "indexer.vectors"},
    "indexer.manifest": {
        "indexer.adapters", "indexer.analysis", "indexer.calibration", "indexer.errors", "indexer.impacts",
        "indexer.pairs", "indexer.protocols", "indexer.whitening",
    },
    "indexer.store": {
        "indexer.acronyms", "indexer.adapters", "indexer.asked", "indexer.bert", "indexer.codes", "indexer.demands",
        "indexer.errors", "indexer.files", "indexer.impacts", "indexer.integrity", "indexer.late", "indexer.manifest",
        "indexer.matching", "indexer.notes", "indexer.postings", "indexer.scoring", "indexer.vectors",
        "indexer.whitening", "indexer.words",
    },
    "indexer.publish": {"indexer.files", "indexer.integrity", "indexer.manifest", "indexer.notes", "indexer.store"},
    "indexer.encoding": {
        "indexer.bert", "indexer.encoders", "indexer.journal", "indexer.late", "indexer.notes", "indexer.protocols",
        "indexer.store", "indexer.whitening",
    },
    "indexer.journal": {"indexer.bert", "indexer.late"},
    "indexer.freshness": {
        "indexer.errors", "indexer.files", "indexer.manifest", "indexer.notes", "indexer.sources",
        "indexer.sources.files", "indexer.store",
    },
    "indexer.watch": {"indexer.errors", "indexer.freshness"},
    "indexer.coverage": {"indexer.store"},
    "indexer.previous": {
        "indexer.errors", "indexer.integrity", "indexer.manifest", "indexer.soundness", "indexer.store",
        "indexer.ways",
    },
    "indexer.codes": {"indexer.arrays", "indexer.bert"},
    "indexer.soundness": {"indexer.errors", "indexer.integrity", "indexer.manifest", "indexer.store"},
    "indexer.asked": {
        "indexer.bert", "indexer.codes", "indexer.demands", "indexer.grams", "indexer.home", "indexer.impacts",
        "indexer.late", "indexer.manifest", "indexer.matching", "indexer.notes", "indexer.pairs", "indexer.postings",
        "indexer.scoring", "indexer.telling", "indexer.vectors", "indexer.whitening",
    },
    "indexer.cluster.check": {
        "indexer.cluster.address", "indexer.cluster.book", "indexer.cluster.remote", "indexer.errors", "indexer.home",
    },
    "indexer.cluster.filters": {"indexer.cluster.shelf", "indexer.demands", "indexer.errors", "indexer.notes"},
    "indexer.cluster.legs": {
        "indexer.cluster.engine", "indexer.cluster.filters", "indexer.cluster.shelf", "indexer.home",
        "indexer.impacts", "indexer.vectors",
    },
    "indexer.cluster.records": {
        "indexer.bert", "indexer.cluster.engine", "indexer.cluster.shelf", "indexer.cluster.tables", "indexer.errors",
        "indexer.impacts", "indexer.late", "indexer.notes", "indexer.vectors",
    },
    "indexer.cluster.remote": {
        "indexer.bert", "indexer.cluster.address", "indexer.cluster.book", "indexer.cluster.engine",
        "indexer.cluster.filters", "indexer.cluster.legs", "indexer.cluster.opened", "indexer.cluster.shelf",
        "indexer.cluster.tables", "indexer.demands", "indexer.errors", "indexer.grams", "indexer.home",
        "indexer.impacts", "indexer.pairs", "indexer.vectors", "indexer.whitening",
    },
    "indexer.cluster.sources": {
        "indexer.cluster.remote", "indexer.errors", "indexer.freshness", "indexer.home", "indexer.manifest",
        "indexer.store",
    },
    "indexer.cluster.standing": {"indexer.cluster.book", "indexer.cluster.engine", "indexer.errors"},
    "indexer.cluster.tables": {
        "indexer.cluster.book", "indexer.cluster.engine", "indexer.errors", "indexer.impacts", "indexer.vocabulary",
    },
    "indexer.demands": {"indexer.analysis"},
    "indexer.home": {
        "indexer.acronyms", "indexer.adapters", "indexer.bert", "indexer.demands", "indexer.impacts", "indexer.late",
        "indexer.manifest", "indexer.notes", "indexer.vectors", "indexer.words",
    },
    "indexer.matching": {"indexer.demands", "indexer.lexical", "indexer.postings"},
    "indexer.places": {
        "indexer.build", "indexer.cluster.address", "indexer.cluster.build", "indexer.cluster.check",
        "indexer.cluster.remote", "indexer.cluster.sources", "indexer.coverage", "indexer.errors",
        "indexer.freshness", "indexer.home", "indexer.impacts", "indexer.soundness", "indexer.store",
    },
    "indexer.scoring": {"indexer.bert", "indexer.codes", "indexer.home", "indexer.impacts", "indexer.vectors"},
    "indexer.cluster.opened": {
        "indexer.acronyms", "indexer.adapters", "indexer.analysis", "indexer.bert", "indexer.cluster.book",
        "indexer.cluster.engine", "indexer.cluster.filters", "indexer.cluster.legs", "indexer.cluster.records",
        "indexer.cluster.shelf", "indexer.cluster.standing", "indexer.cluster.tables", "indexer.demands",
        "indexer.manifest", "indexer.matching", "indexer.notes", "indexer.pairs", "indexer.postings",
        "indexer.vectors", "indexer.words",
    },
    "indexer.telling": {"indexer.bert", "indexer.pairs"},
    "indexer.extras": set(),
    "indexer.build": {
        "indexer.adapters", "indexer.analysis", "indexer.artefacts", "indexer.blas", "indexer.calibration",
        "indexer.codes", "indexer.encoders", "indexer.encoding", "indexer.errors", "indexer.files",
        "indexer.freshness", "indexer.grams", "indexer.impacts", "indexer.journal", "indexer.late", "indexer.lexical",
        "indexer.manifest", "indexer.pairs", "indexer.partial", "indexer.previous", "indexer.protocols",
        "indexer.publish", "indexer.renewal", "indexer.sources", "indexer.store", "indexer.tuning", "indexer.vectors",
        "indexer.ways", "indexer.whitening",
    },
    "indexer.cluster": set(),
    "indexer.cluster.address": {"indexer.errors"},
    "indexer.cluster.troubles": {"indexer.cluster.address", "indexer.errors"},
    "indexer.cluster.connection": {
        "indexer.cluster.address", "indexer.cluster.troubles", "indexer.errors", "indexer.extras",
    },
    "indexer.cluster.engine": {"indexer.cluster.address", "indexer.cluster.connection", "indexer.errors"},
    "indexer.cluster.book": {"indexer.cluster.engine", "indexer.errors"},
    "indexer.cluster.shelf": {"indexer.cluster.book", "indexer.cluster.engine", "indexer.late"},
    "indexer.cluster.entities": {
        "indexer.cluster.engine", "indexer.cluster.shelf", "indexer.grams", "indexer.impacts", "indexer.postings",
        "indexer.store", "indexer.tokens", "indexer.vectors",
    },
    "indexer.cluster.fill": {
        "indexer.cluster.book", "indexer.cluster.engine", "indexer.cluster.shelf", "indexer.errors", "indexer.pairs",
    },
    "indexer.cluster.record": {
        "indexer.cluster.book", "indexer.cluster.entities", "indexer.files", "indexer.store", "indexer.vectors",
        "indexer.vocabulary",
    },
    "indexer.cluster.change": {
        "indexer.cluster.book", "indexer.cluster.engine", "indexer.cluster.entities", "indexer.cluster.fill",
        "indexer.cluster.record", "indexer.cluster.shelf", "indexer.impacts", "indexer.store", "indexer.vectors",
    },
    "indexer.cluster.tabulate": {
        "indexer.cluster.entities", "indexer.impacts", "indexer.pairs", "indexer.postings", "indexer.store",
        "indexer.telling", "indexer.tokens", "indexer.vocabulary",
    },
    "indexer.cluster.lease": {"indexer.cluster.book", "indexer.cluster.engine", "indexer.errors"},
    "indexer.cluster.sweep": {
        "indexer.cluster.book", "indexer.cluster.engine", "indexer.cluster.shelf", "indexer.errors",
    },
    "indexer.cluster.build": {
        "indexer.build", "indexer.cluster.address", "indexer.cluster.book", "indexer.cluster.change",
        "indexer.cluster.engine", "indexer.cluster.entities", "indexer.cluster.fill", "indexer.cluster.lease",
        "indexer.cluster.record", "indexer.cluster.shelf", "indexer.cluster.sweep", "indexer.cluster.tabulate",
        "indexer.errors", "indexer.files", "indexer.home", "indexer.impacts", "indexer.protocols", "indexer.store",
        "indexer.vectors",
    },
    "search": {"search.hits", "search.neighbours", "search.searcher", "search.snippets"},
    "search.query": {"indexer"},
    "search.constraints": {"indexer", "search.query"},
    "search.legs": {"indexer"},
    "search.fusion": {"indexer"},
    "search.snippets": {"indexer"},
    "search.spelling": {"indexer"},
    "search.expansion": {"indexer"},
    "search.completion": {"indexer", "search.spelling"},
    "search.wording": {
        "indexer", "search.completion", "search.constraints", "search.expansion", "search.query", "search.spelling",
    },
    "search.notebook": {"search.snippets"},
    "search.hits": {
        "indexer", "search.display", "search.legs", "search.notebook", "search.query", "search.snippets",
        "search.spelling",
    },
    "search.evaluate": {"indexer"},
    "search.related": {"indexer", "search.legs"},
    "search.lists": {"indexer", "search.display", "search.hits", "search.neighbours"},
    "search.candidates": {"indexer", "search.legs"},
    "search.selection": {"indexer"},
    "search.relation": {"indexer"},
    "search.likeness": {"indexer", "search.candidates", "search.legs"},
    "search.neighbours": {
        "indexer", "search.hits", "search.legs", "search.likeness", "search.notebook", "search.relation",
        "search.selection",
    },
    "search.hybrid": {"indexer", "search.fusion", "search.legs"},
    "search.searcher": {
        "indexer", "search.completion", "search.constraints", "search.hits", "search.hybrid", "search.legs",
        "search.neighbours", "search.query", "search.related", "search.snippets", "search.spelling", "search.wording",
    },
    "search.trials": {"indexer", "search.evaluate", "search.hits", "search.searcher"},
    "search.display": {"indexer", "search.evaluate"},
    "search.progress": set(),
    "search.verdict": {"search.hits"},
    "search.why": {
        "indexer", "search.constraints", "search.expansion", "search.hits", "search.legs", "search.query",
        "search.searcher", "search.spelling", "search.verdict",
    },
    "search.reasons": {"indexer", "search.display", "search.verdict"},
    "search.status": {"indexer", "search.display", "search.searcher"},
    "search.options": {"indexer", "search.display", "search.searcher"},
    "search.watching": {"indexer", "search.display"},
    "search.upkeep": {
        "indexer", "search.display", "search.evaluate", "search.likeness", "search.options", "search.progress",
        "search.status", "search.trials", "search.watching",
    },
    "search.explore": {
        "indexer", "search.display", "search.lists", "search.neighbours", "search.options", "search.progress",
        "search.spark.job", "search.spark.session",
    },
    "search.spark": set(),
    "search.spark.parts": {"search.legs", "search.lists", "search.neighbours"},
    "search.spark.work": {"indexer", "search.lists", "search.neighbours", "search.spark.parts"},
    "search.spark.session": {"indexer", "search.spark.work"},
    "search.spark.job": {
        "indexer", "search.lists", "search.spark.parts", "search.spark.session", "search.spark.work",
    },
    "search.atlas": {"indexer"},
    "search.site": set(),
    "search.site.names": {"indexer"},
    "search.site.shards": {"indexer"},
    "search.site.folder": {"indexer"},
    "search.site.catalogue": {"indexer", "search.neighbours", "search.site.names"},
    "search.site.drawing": {"indexer", "search.atlas", "search.site.catalogue"},
    "search.site.feeds": {"search.site.catalogue"},
    "search.site.pages": {"search.site.catalogue", "search.site.drawing"},
    "search.site.assets": set(),
    "search.site.live": {
        "search.atlas", "search.neighbours", "search.searcher", "search.site.assets", "search.site.catalogue",
        "search.site.drawing", "search.site.pages",
    },
    "search.site.export": {
        "indexer", "search.atlas", "search.lists", "search.neighbours", "search.site", "search.site.assets",
        "search.site.catalogue", "search.site.drawing", "search.site.folder", "search.site.pages",
        "search.site.shards",
    },
    "search.site.command": {"indexer", "search.display", "search.options", "search.progress", "search.site.export"},
    "search.served": set(),
    "search.server": set(),
    "search.server.query_vectors": {"indexer"},
    "search.server.snapshot": {
        "indexer", "search.searcher", "search.server.arenas", "search.server.query_vectors", "search.status",
    },
    "search.server.freshness": {"search.server.snapshot", "search.status"},
    "search.server.problems": {"indexer"},
    "search.server.presence": {"search.served", "search.server.problems", "search.server.snapshot"},
    "search.server.guard": {"search.server.presence", "search.server.problems"},
    "search.server.connections": {"search.server.problems"},
    "search.server.memory": {"search.server.snapshot"},
    "search.server.metrics": {"search.server.snapshot"},
    "search.server.answering": {"search.server.snapshot"},
    "search.server.answers": {
        "indexer", "search.hits", "search.query", "search.searcher", "search.spelling", "search.why", "search.wording",
    },
    "search.server.shapes": set(),
    "search.server.routes": {
        "search.hits", "search.server", "search.server.answering", "search.server.answers", "search.server.freshness",
        "search.server.metrics", "search.server.problems", "search.server.snapshot",
    },
    "search.server.app": {
        "indexer", "search.server", "search.server.answering", "search.server.guard", "search.server.memory",
        "search.server.metrics", "search.server.page", "search.server.presence", "search.server.routes",
        "search.server.snapshot",
    },
    "search.server.page": {
        "search.server.answering", "search.server.snapshot", "search.site.assets", "search.site.live",
        "search.site.names", "search.site.pages",
    },
    "search.server.command": {
        "indexer", "search.options", "search.server.app", "search.server.arenas", "search.server.connections",
        "search.server.guard", "search.server.metrics", "search.server.presence",
    },
    "search.mcp": set(),
    "search.mcp.shapes": {"indexer", "search.hits", "search.neighbours"},
    "search.mcp.server": {"indexer", "search.hits", "search.mcp.shapes", "search.query", "search.searcher"},
    "search.mcp.command": {
        "indexer", "search.display", "search.mcp.server", "search.options", "search.server.connections",
    },
    "search.garden": {"indexer", "search.neighbours"},
    "search.garden_report": {
        "indexer", "search.display", "search.garden", "search.neighbours", "search.options", "search.progress",
    },
    "search.server.arenas": set(),
    "search.cli": {
        "indexer", "search.display", "search.explore", "search.garden_report", "search.mcp.command", "search.options",
        "search.reasons", "search.served", "search.server.command", "search.site.command", "search.upkeep",
        "search.why",
    },
}  # fmt: skip
# heavy package -> the modules that wrap it
WRAPPERS = {
    "torch": {"indexer.lora", "indexer.torch_bert"},
    "transformers": set(),
    "sentence_transformers": {"indexer.foreign"},
    "llvmlite": {"indexer.kernels"},
    "huggingface_hub": {"indexer.encoders"},
    "faiss": {"indexer.codes"},
    "pyarrow": {"search.spark.parts"},
    "py4j": {"search.spark.session"},
    "pyspark": {"search.spark.session"},
    "watchfiles": {"indexer.watch"},
    "pymilvus": {"indexer.cluster.connection", "indexer.cluster.engine"},
    "whoosh": {"indexer.lexical", "indexer.reader", "indexer.matching"},
}
# modules that may import such a package at their top: they are themselves imported inside functions, or by each other
LAZY = {"indexer.reader", "indexer.kernels", "indexer.packed"}


def modules() -> dict[str, Path]:
    """Dotted name -> file, of both packages."""
    found = {}
    for package in ("indexer", "search"):
        for path in (ROOT / package).rglob("*.py"):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(path: Path) -> list[tuple[str, bool]]:
    """Every imported module, and whether the import stands at the top of the file."""
    found = []
    tree = ast.parse(path.read_text("utf-8"))
    for node in ast.walk(tree):
        top = node in tree.body
        if isinstance(node, ast.Import):
            found += [(alias.name, top) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            assert node.module is not None
            found.append((node.module, top))
    return found


@pytest.mark.parametrize("name", sorted(modules()))
def test_imports_follow_the_arrows(name: str) -> None:
    ours = {target for target, _ in imports(modules()[name]) if target.split(".")[0] in ("indexer", "search")}
    if name.startswith("indexer.sources"):
        allowed = {"indexer.errors", "indexer.notes"} | {module for module in modules() if "indexer.sources" in module}
    else:
        allowed = ARROWS[name]
    assert ours <= allowed, f"{name} imports {sorted(ours - allowed)}"


def test_heavy_packages_are_imported_by_their_wrappers_alone_and_inside_functions() -> None:
    for name, path in modules().items():
        for target, top in imports(path):
            package = target.split(".")[0]
            if package in WRAPPERS:
                assert name in WRAPPERS[package], f"{name} imports {package}"
                assert not top or name in LAZY, f"{name} imports {package} at its top"
            assert not (top and target in LAZY and name not in LAZY), f"{name} imports {target} at its top"


def test_every_module_says_what_it_is_for_and_stays_readable() -> None:
    for name, path in modules().items():
        text = path.read_text("utf-8")
        assert ast.get_docstring(ast.parse(text)), name
        assert len(text.splitlines()) <= 300, f"{name} has {len(text.splitlines())} lines"


def drawn() -> list[str]:
    """The paths in the trees of ARCHITECTURE.md that draw both packages, in their order; folders end in "/"."""
    text = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    (tree,) = re.findall(r"^```\n(indexer/\n.*?)^```$", text, re.DOTALL | re.MULTILINE)
    found, folders = [], [""]
    for line in tree.splitlines():
        name = line.split()[0]
        depth = (len(line) - len(line.lstrip())) // 2
        folders = folders[: depth + 1]
        found.append(folders[depth] + name)
        folders.append(found[-1])
    return found


def test_every_module_stands_once_in_the_tree_of_the_architecture() -> None:
    paths = [path for path in drawn() if path.endswith(".py")]
    folders = {path.rpartition("/")[0] for path in paths}  # of indexer/sources the folder alone is drawn
    ours = [path.relative_to(ROOT) for path in modules().values()]
    ours = [path for path in ours if path.name != "__init__.py" and path.parent.as_posix() in folders]
    assert sorted(set(paths) - {"indexer/__init__.py"}) == sorted(map(Path.as_posix, ours))
    assert [path for path in paths if paths.count(path) > 1] == []
    assert {f"{path.parent.relative_to(ROOT).as_posix()}/" for path in modules().values()} <= set(drawn())
    assert [path for path in drawn() if not (ROOT / path).exists()] == []


def loaded_after(code: str) -> set[str]:
    """The packages that a fresh Python has imported after running ``code``."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(' '.join(sys.modules))"],
        capture_output=True, text=True, check=True, cwd=ROOT,
    )  # fmt: skip
    return {module.split(".")[0] for module in done.stdout.splitlines()[-1].split()}


def test_a_plain_search_imports_neither_torch_nor_whoosh_nor_faiss(owner_index: Path) -> None:
    code = (
        "from click.testing import CliRunner\nfrom search.cli import main\n"
        "question = 'how do reward models fail when the policy exploits them?'\n"
        f"done = CliRunner().invoke(main, ['search', question, '--index', {str(owner_index)!r}])\n"
        "assert done.exit_code == 0 and ' 1. ' in done.output, done.output"
    )
    loaded = loaded_after(code)
    assert not loaded & {"torch", "transformers", "sentence_transformers", "faiss", "llvmlite", "whoosh", "yaml"}
    assert not loaded & {"pyarrow", "pyspark"}
    assert not loaded & {"fastapi", "uvicorn", "pydantic", "prometheus_client", "http"}


def test_help_does_not_import_numpy() -> None:
    code = "from click.testing import CliRunner\nfrom search.cli import main\n"
    code += "assert CliRunner().invoke(main, ['search', '--help']).exit_code == 0"
    assert "numpy" not in loaded_after(code)
