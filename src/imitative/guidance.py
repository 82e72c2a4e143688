"""What people do to a run besides judging: they write hypotheses, and a lead excludes judges."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from imitative.records import Judgement


class Guided(NamedTuple):
    """What people do to a round of the search besides judging.

    Args:
        written: hypotheses they wrote: each is scored, and the search starts from the best of them, too.
        excluded: judges whose judgements no model is fitted to any more.
        split: judgements → what each judge said of them, where several answered one query together.
    """

    written: tuple[str, ...] = ()
    excluded: frozenset[str] = frozenset()
    split: Callable[[Sequence[Judgement]], Sequence[Judgement]] = tuple


Guide = Callable[[int], Guided]
"""Asked once when a round begins, by its number; a round that is done again must be told the same."""

Heard = Callable[[str, Sequence[Judgement]], Sequence[Judgement]]
"""A stage and its judgements → these judgements without what was excluded since; as many, in the same order."""
