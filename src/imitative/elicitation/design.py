"""Which comparisons to ask for: an optimal design.

What an answer would tell of a score that is linear in its traits does not depend on the answer. Where the scores that
matter are f · θ and a comparison, whose sides differ by d in their traits, is heard with a variance of σ², the answer
lowers the variance of f · θ by

    cov(f · θ, d · θ)² / (var(d · θ) + σ²),

and a design takes, one after the other, the comparison that lowers Σ_f q_f · Var(f · θ) most per unit of cost, q_f
being what it matters to know that score. This is A-optimality over the scores that matter, greedily: sequential
transductive experimental design (Yu, Bi & Tresp, ICML 2006).
"""

from __future__ import annotations

import numpy as np

from imitative.data import Floats


def design(
    across: Floats, within: Floats, worth: Floats, costs: Floats, heard: Floats, noise: float, count: int
) -> tuple[list[int], list[float]]:
    """The comparisons to ask for, in the order of asking, and what each lowers per unit of cost.

    Args:
        across: (T, P) covariances of what is to be known with the comparisons, nats².
        within: (P, P) covariances of the comparisons, nats².
        worth: (T,) q ≥ 0, what it matters to know each.
        costs: (P,) what each comparison costs, > 0.
        heard: (P,) the chance that its answer can tell it: 0 … 1. What is chosen counts as heard.
        noise: σ² > 0, of one answer, nats².
        count: how many to take, at most P.

    Returns:
        indices of comparisons, no two alike, and for each what it lowers per unit of cost, those before it asked.
    """
    about = across * np.sqrt(worth)[:, None]
    spread = np.diagonal(within).copy()
    left = np.ones(len(spread), dtype=np.bool_)
    chosen, gains = list[int](), list[float]()
    rows: list[Floats] = []  # what each chosen one tells of all others, a row of a Cholesky factor
    while left.any() and len(chosen) < count:
        lowered = (about**2).sum(axis=0) / (spread + noise)
        gain = np.where(left, lowered * heard / costs, -np.inf)
        best = int(gain.argmax())
        with_best = within[best] - sum((row[best] * row for row in rows), start=np.zeros(len(spread)))
        told = with_best[best] + noise
        about = about - np.outer(about[:, best], with_best / told)
        spread = np.maximum(spread - with_best**2 / told, 0.0)
        rows.append(with_best / np.sqrt(told))
        chosen.append(best)
        gains.append(float(gain[best]))
        left[best] = False
    return chosen, gains
