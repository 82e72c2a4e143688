"""A design is what its formula says, step by step, and leaves less in doubt than chance does."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imitative.data import Floats
from imitative.elicitation.design import design

few = settings(max_examples=25)
NOISE = 2.0


class Case(NamedTuple):
    """What could be asked, what is to be known, and what is believed."""

    differences: Floats
    costs: Floats
    heard: Floats
    targets: Floats
    worth: Floats
    variance: Floats

    @classmethod
    def drawn(cls, seed: int, pairs: int = 30, size: int = 8, targets: int = 6) -> Case:
        rng = np.random.default_rng(seed)
        return cls(
            rng.standard_normal((pairs, size)),
            rng.uniform(1.0, 3.0, pairs),
            rng.uniform(0.1, 1.0, pairs),
            rng.standard_normal((targets, size)),
            rng.uniform(0.0, 2.0, targets),
            rng.uniform(0.2, 2.0, size),
        )

    def design(self, count: int) -> list[int]:
        return self.priced(count)[0]

    def priced(self, count: int) -> tuple[list[int], list[float]]:
        known = self.differences * self.variance
        across, within = self.targets @ known.T, self.differences @ known.T
        return design(across, within, self.worth, self.costs, self.heard, NOISE, count)

    def doubt(self, chosen: list[int]) -> float:
        """Σ_f q_f · Var(f · θ) after these answers, by the textbook's conditional covariance."""
        heard = self.differences[chosen]
        prior = np.diag(self.variance)
        across = prior @ heard.T
        left = prior - across @ np.linalg.solve(heard @ across + NOISE * np.eye(len(chosen)), across.T)
        return float(self.worth @ np.einsum("td,de,te->t", self.targets, left, self.targets))


@few
@given(st.integers(0, 10_000))
def test_each_step_takes_what_lowers_the_doubt_most_per_cost(seed: int) -> None:
    case = Case.drawn(seed)
    chosen, gains = case.priced(6)
    for step, taken in enumerate(chosen):
        before = chosen[:step]
        gain = {
            i: (case.doubt(before) - case.doubt([*before, i])) * case.heard[i] / case.costs[i]
            for i in range(30)
            if i not in before
        }
        assert gains[step] == pytest.approx(gain[taken], rel=1e-6)
        assert gain[taken] == pytest.approx(max(gain.values()), rel=1e-9)


@few
@given(st.integers(0, 10_000))
def test_less_is_left_in_doubt_than_by_chance(seed: int) -> None:
    case = Case.drawn(seed)._replace(costs=np.ones(30), heard=np.ones(30))
    by_chance = [case.doubt(np.random.default_rng([seed, i]).permutation(30)[:5].tolist()) for i in range(20)]
    assert case.doubt(case.design(5)) <= min(by_chance) + 1e-9


@few
@given(st.integers(0, 10_000))
def test_the_order_in_which_things_are_offered_does_not_matter(seed: int) -> None:
    case, rng = Case.drawn(seed), np.random.default_rng(seed)
    pairs, targets = rng.permutation(30), rng.permutation(6)
    offered = (case.differences[pairs], case.costs[pairs], case.heard[pairs])
    other = Case(*offered, case.targets[targets], case.worth[targets], case.variance)
    assert pairs[other.design(8)].tolist() == case.design(8)


def test_what_bears_on_nothing_worth_knowing_is_asked_last() -> None:
    case = Case(np.eye(3), np.ones(3), np.ones(3), np.eye(3), np.array([0.0, 1.0, 2.0]), np.ones(3))
    assert case.design(3) == [2, 1, 0]


def test_no_more_is_asked_than_there_is_and_nothing_twice() -> None:
    case = Case.drawn(0)
    assert sorted(case.design(99)) == list(range(30))
    assert case.design(0) == []
