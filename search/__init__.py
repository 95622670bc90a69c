"""Query in, hits out: ``search`` owns every query and reads an index only through the door of ``indexer``.

from search import Searcher

for hit in Searcher.open("index").search("how do reward models fail?", k=3):
    print(hit.rank, hit.note.title)
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from search.hits import MODES, Hit, LegScore, Mode
    from search.searcher import Searcher
    from search.snippets import Snippet

__all__ = ["MODES", "Hit", "LegScore", "Mode", "Searcher", "Snippet"]


def __getattr__(name: str) -> Any:
    """Names are imported when they are first asked for, so that `kindred --help` does not pay for numpy."""
    if name in __all__:
        from search import searcher

        return getattr(searcher, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
