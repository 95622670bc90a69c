"""This module lets the notes teach their encoder, and decides by held-out notes whether that helped.

A note's title asks and its description answers.  First an adapter learns from two thirds of such pairs, and the titles
of the others look for their descriptions with it and without.  Where it helps them, a second one learns from all pairs
and is kept.  What that is worth in the judged rankings stands in benchmarks/LOG.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256

import numpy as np
import numpy.typing as npt

from indexer.adapters import Adapter, Tuning
from indexer.blas import one_blas_thread
from indexer.encoders import NumpyEncoder
from indexer.errors import EncoderError
from indexer.late import assemble, quantise, rarity_of
from indexer.lora import EPOCHS, Pieces, Trainer
from indexer.notes import Note
from indexer.protocols import Encoder
from indexer.store import Index

# Fewer pairs teach nothing that a test on them could show.
LEAST_PAIRS = 64
# More than these cost time and teach the same manner of asking again.
_MOST_PAIRS = 400
_HELD_OUT = 3  # every third pair

Progress = Callable[[str, int, int], None]  # stage, done so far, of how many
_Numbers = npt.NDArray[np.float64]


def chosen_pairs(notes: Sequence[Note]) -> list[tuple[str, str]]:
    """Up to 400 titles with their descriptions, no text twice, in the order of their hashes: as good as any."""
    titles: set[str] = set()
    descriptions: set[str] = set()
    pairs = []
    for note in notes:
        title, description = note.title.strip(), note.description.strip()
        if title and description and title not in titles and description not in descriptions:
            titles.add(title)
            descriptions.add(description)
            pairs.append((title, description))
    pairs.sort(key=lambda pair: sha256("\0".join(pair).encode("utf-8", "surrogatepass")).digest())
    return pairs[:_MOST_PAIRS]


def learn(
    pairs: Sequence[tuple[str, str]],
    encoder: NumpyEncoder,
    progress: Progress,
    seed: int = 0,
    epochs: int = EPOCHS,
) -> tuple[Adapter | None, Tuning]:
    """What held-out pairs say of tuning a plain encoder, and the adapter from all pairs where that helps.

    Equal pairs and seeds give equal bytes on one machine.  Raises EncoderMissingError without torch.
    """
    trainer = _trainer(pairs, encoder)
    rows = np.arange(len(pairs))
    held = rows[::_HELD_OUT]
    rest = np.setdiff1d(rows, held)

    def follow(stage: str) -> Callable[[int], None]:
        progress(stage, 0, epochs)
        return lambda done: progress(stage, done, epochs)

    trial = trainer.train(rest.tolist(), seed, epochs, follow("tuning on two thirds, epochs"))
    before = reciprocal_ranks(encoder, pairs, held)
    after = reciprocal_ranks(encoder.adapted(trial), pairs, held)
    facts = Tuning(
        pairs=len(held),
        first_before=int((before == 1).sum()),
        first_after=int((after == 1).sum()),
        before=float(before.mean()),
        after=float(after.mean()),
        error=float((after - before).std(ddof=1) / np.sqrt(len(held))),
    )
    if not facts.helps:
        return None, facts
    return trainer.train(rows.tolist(), seed, epochs, follow("tuning on all notes, epochs")), facts


def _trainer(pairs: Sequence[tuple[str, str]], encoder: NumpyEncoder) -> Trainer:
    prompts = encoder.model.checkpoint
    pieces = [
        (
            Pieces.of(encoder.model, prompts.query_prompt + title),
            Pieces.of(encoder.model, prompts.document_prompt + description),
        )
        for title, description in pairs
    ]
    frequency = np.zeros(1 + max(max(*query.ids, *passage.ids) for query, passage in pieces), dtype=np.int64)
    for query, passage in pieces:
        frequency[sorted({*query.ids, *passage.ids})] += 1
    return Trainer(encoder.model, pieces, rarity_of(frequency, len(pairs)).astype(np.float32))


def reciprocal_ranks(encoder: NumpyEncoder, pairs: Sequence[tuple[str, str]], rows: npt.NDArray[np.int64]) -> _Numbers:
    """1 / rank of the own description of each title in ``rows`` among those of all ``pairs``: float64 [len(rows)].

    By cosine of vectors and late interaction of tokens in equal parts, each in standard deviations.
    """
    texts = list(encoder.encode_document_tokens([description for _, description in pairs]))
    vectors = np.array([text.vector for text in texts])
    late = assemble([quantise(text.tokens, text.pieces) for text in texts], encoder.info.dim)
    every = np.arange(len(pairs))
    found = np.zeros(len(rows))
    for place, row in enumerate(rows.tolist()):
        query = encoder.encode_query_tokens(pairs[row][0])
        with one_blas_thread():
            closeness = late.scores(late.prepare(query.tokens, query.pieces), every)
            both = _standardised(vectors @ query.vector) + _standardised(closeness)
        found[place] = 1 / (1 + int((both > both[row]).sum()))
    return found


def _standardised(scores: npt.NDArray[np.float32]) -> _Numbers:
    values = scores.astype(np.float64)
    scaled: _Numbers = (values - values.mean()) / max(float(values.std()), 1e-12)
    return scaled


def taught(
    notes: Sequence[Note],
    encoder: Encoder,
    before: Tuning | None,
    old: Index | None,
    wanted: bool | None,
    progress: Progress,
    remarks: list[str],
) -> tuple[Encoder, Adapter | None, Tuning | None]:
    """The encoder for ``notes``, with the adapter that it has from them where that helps, and what is known of it.

    ``encoder`` is plain.  ``before`` is what the index that stands there says of its tuning, ``old`` that index where
    it may be used.  ``wanted``: True learns anew, False goes without, None leaves it as it is, learning anew only where
    the old adapter cannot be taken over.  What was learned, or why nothing was, becomes a remark.

    Raises EncoderError where an encoder is to be tuned that cannot be, and EncoderMissingError without torch.
    """
    if wanted is False or (wanted is None and before is None):
        return encoder, None, None
    if wanted is None and old is not None and old.manifest.encoder.plain().fingerprint == encoder.info.fingerprint:
        if old.adapter is None or not isinstance(encoder, NumpyEncoder):
            return encoder, None, before
        return encoder.adapted(old.adapter), old.adapter, before
    if not isinstance(encoder, NumpyEncoder):
        problem = f"tuning needs a BERT encoder that numpy runs, and {encoder.info.name} is not one"
        if wanted:
            raise EncoderError(f"{problem}; leave --encoder out, or --tune.")
        remarks.append(f"{problem}: left out")
        return encoder, None, None
    pairs = chosen_pairs(notes)
    if len(pairs) < LEAST_PAIRS:
        remarks.append(
            f"tuning needs {LEAST_PAIRS} notes with a title and a description, and there are {len(pairs)}: left out"
        )
        return encoder, None, None
    adapter, facts = learn(pairs, encoder, progress)
    remarks.append(facts.sentence())
    return encoder if adapter is None else encoder.adapted(adapter), adapter, facts
