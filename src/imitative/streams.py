"""What is drawn at random, and from which stream of a run's seed, so that these parts do not draw the same numbers.

    generator(seed, part, n, …) = PCG64(SeedSequence([seed, part, n, …]))

A part's number is part of what a seed means: changing one changes what that seed finds. A zero at the end makes no
stream of its own: a part always says a number besides, or never.
"""

from __future__ import annotations

from enum import IntEnum, unique

import numpy as np


@unique
class Stream(IntEnum):
    """Who draws."""

    HUSKIES = 1
    FINITE = 2
    QUESTIONS = 4
    """Which questions of D′ people answer under z*."""
    AGAIN = 5
    """The search for z* of D without what is held out."""
    COMPARED = 6
    """On which questions of D′ hypotheses are compared."""
    TEXT_PRIORS = 7
    """The ensemble of M_prior over texts, by the round."""
    CHECKS = 9
    """Queries whose answers are known, to tell who reads them."""
    ROUNDS = 10
    ROWS = 11
    """On which rows of D, where there are too many, z is searched."""
    FOLDS = 12
    TEXT_ROUNDS = 20
    """And all above: the rounds of a search over texts."""


def generator(seed: int, part: int, *numbers: int) -> np.random.Generator:
    """The numbers of one part of a run, and of its round or the like."""
    return np.random.default_rng([seed, part, *numbers])


__all__ = ["Stream", "generator"]
