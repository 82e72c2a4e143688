"""Where a run lives: a folder with a database of rows that are only ever added, and the files made from them."""

from imitative.store.runs import Event, Run

__all__ = ["Event", "Run"]
