"""Query in, hits out: ``search`` owns every query and reads an index only through the door of ``indexer``.

Open the index that ``kindred index`` built, and ask.  Hits are a list, best first; a grade says how well the notes
answer at all, and is "weak" where none does.

>>> from search import Searcher
>>> searcher = Searcher.open("index")
>>> hits = searcher.search("how do reward models fail?", k=3)
>>> hits.grade, len(hits)
('strong', 3)
>>> hits[0]
<Hit 1: 'why-do-outcome-based-reward-models-fail-at-intermediate-step-evaluation', score 1.00>
>>> hits[0].note.topic
'Reasoning Architectures'

A snippet is a text with the spans that matched; how they are marked is yours to say.  A notebook shows hits as a table.

>>> snippet = hits[0].snippet
>>> [snippet.text[begin:end] for begin, end in snippet.spans]
['reward', 'models']

``related`` gives the notes related to a note as hits, ``neighbours`` says why they are.

>>> searcher.related(hits[0].note.id, k=2)
<Hits: 2, first 'can-step-wise-expert-rewards-help-small-models-learn-hard-reasoning'>
>>> for found in searcher.neighbours(hits[0].note.id, k=2):
...     print(found.grade, found.reason)
strong Both say “intermediate step” and “outcome-based”.
strong Both speak of “evaluation”.

Constraints, completion and notes:

>>> [hit.note.id for hit in searcher.search('topic:"Reward Models" -reasoning judge', k=1)]
['why-does-self-rewarding-training-collapse-when-responses-improve']
>>> searcher.complete("reward ha", k=2)
['hard', 'hacking']
>>> searcher.get("Can LLMs design reward functions for reinforcement learning?").id
'can-llms-design-reward-functions-for-reinforcement-learning'

A searcher is a snapshot of one generation and may be shared between threads.  A program that lives long takes the
newest one before it asks; that costs some microseconds where nothing was built, and keeps the encoder.

>>> searcher.is_current()
True
>>> searcher = searcher.newest()

One that is asked many questions is quicker where it may get ready for them first: ``Searcher.open("index").prepare()``.

What a person can put right is a ``KindredError``, whose text is one sentence and the next command to type.

>>> from indexer import KindredError
>>> try:
...     searcher.search("reward topic:")
... except KindredError as error:
...     print(error)
query, column 8: topic: wants a word or a "phrase" after it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from search.hits import MODES, Grade, Hit, Hits, LegScore, Mode
    from search.neighbours import Neighbour, Neighbours
    from search.searcher import Searcher
    from search.snippets import Snippet

_HOMES = {
    "MODES": "search.hits",
    "Grade": "search.hits",
    "Hit": "search.hits",
    "Hits": "search.hits",
    "LegScore": "search.hits",
    "Mode": "search.hits",
    "Neighbour": "search.neighbours",
    "Neighbours": "search.neighbours",
    "Searcher": "search.searcher",
    "Snippet": "search.snippets",
}
__all__ = [
    "MODES",
    "Grade",
    "Hit",
    "Hits",
    "LegScore",
    "Mode",
    "Neighbour",
    "Neighbours",
    "Searcher",
    "Snippet",
]


def __getattr__(name: str) -> Any:
    """Names are imported when they are first asked for, so that `kindred --help` does not pay for numpy."""
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
