"""Which comparisons to ask for before anything is known: an optimal design.

What an answer would tell of a score that is linear in its traits does not depend on the answer. With weights
θ ~ N(·, Σ), a comparison whose sides differ by d in their traits, heard with a variance of σ², lowers the variance of
the score f · θ by

    (fᵀ Σ d)² / (dᵀ Σ d + σ²),

and a design takes, one after the other, the comparison that lowers Σ_f q_f · Var(f · θ) most per unit of cost, q_f
being what it matters to know that score. This is A-optimality over the scores that matter, greedily: sequential
transductive experimental design (Yu, Bi & Tresp, ICML 2006).
"""

from __future__ import annotations

import numpy as np

from imitative.data import Floats


def design(
    differences: Floats, costs: Floats, targets: Floats, worth: Floats, variance: Floats, noise: float, count: int
) -> list[int]:
    """The comparisons to ask for, in the order of asking.

    Args:
        differences: (P, d) the traits of each comparison's first side less its second's.
        costs: (P,) what each costs, > 0.
        targets: (T, d) the traits of what is to be known.
        worth: (T,) q ≥ 0, what it matters to know each.
        variance: (d,) the diagonal of Σ.
        noise: σ² > 0, of one answer, nats².
        count: how many to take, at most P.

    Returns:
        indices into `differences`, no two alike.
    """
    white = differences * np.sqrt(variance)
    about = (targets * np.sqrt(variance)) @ white.T * np.sqrt(worth)[:, None]  # (T, P): √q · cov(target, comparison)
    spread = (white**2).sum(axis=1)  # (P,): each comparison's variance
    left = np.ones(len(white), dtype=np.bool_)
    chosen: list[int] = []
    heard: list[Floats] = []  # what each chosen one tells of all others, a row of a Cholesky factor
    while left.any() and len(chosen) < count:
        lowered = (about**2).sum(axis=0) / (spread + noise)
        best = int(np.where(left, lowered / costs, -np.inf).argmax())
        with_best = white @ white[best] - sum((row[best] * row for row in heard), start=np.zeros(len(white)))
        told = with_best[best] + noise
        about = about - np.outer(about[:, best], with_best / told)
        spread = np.maximum(spread - with_best**2 / told, 0.0)
        heard.append(with_best / np.sqrt(told))
        chosen.append(best)
        left[best] = False
    return chosen
