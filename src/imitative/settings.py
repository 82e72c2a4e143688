"""How a run spends its judgements and its time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final


@final
@dataclass(frozen=True)
class Settings:
    """How induction spends its budget and its time; one setting serves every problem.

    Args:
        rounds: how often to ask, fit and search; once more where the last audit refutes z*.
        transfer_share: of the budget, kept for answers on D′ and their audit.
        reading_share: of each round's judgements, spent on how people read (M_L).
        steps: draws of each chain per round; the last round takes twice as many.
        caution: κ of `Posterior`.
        evidence: e of `Posterior`.
        active: whether queries are chosen by what they are worth, or drawn at random.
        ask_again: whether later rounds ask where the search is; if not, the first round spends everything.
        exact: takes odds at their word (for an overseer without noise).
        most_rows: D is searched on at most so many rows, drawn at random and weighted up.
    """

    rounds: int = 12
    transfer_share: float = 0.25
    reading_share: float = 0.1
    steps: int = 160
    caution: float = 0.5
    evidence: float = 1.0
    active: bool = True
    ask_again: bool = True
    exact: bool = False
    most_rows: int = 20_000
