"""This module finds the notes that a leg of the index lacks."""

from __future__ import annotations

import numpy as np

from indexer.store import Index

_ABOUT_ONE = 1e-3  # how far from 1 the length of a unit vector in float32 may be


def lacking(index: Index) -> tuple[list[str], list[str]]:
    """The ids of the notes that the words lack, and of those that the meaning lacks, each in the order of rows.

    The words hold a note where its terms are those that its text has now; the meaning holds it where its vector is a
    unit vector.  Reads every note anew: a second or two for 20,000.
    """
    analyser, impacts = index.manifest.analyser, index.impacts
    fields = index.manifest.bm25.fields
    lengths = np.linalg.norm(index.vectors, axis=1)
    words: list[str] = []
    meaning: list[str] = []
    for row, note in enumerate(index.notes()):
        expected = {term for field in fields for term in analyser.terms(getattr(note, field))}
        if expected != {impacts.term(number) for number in impacts.note(row)[0].tolist()}:
            words.append(note.id)
        if not abs(float(lengths[row]) - 1) <= _ABOUT_ONE:  # so that NaN is caught
            meaning.append(note.id)
    return words, meaning
