"""The prior by comparison: how near a simulated person's known prior, after how many judgements."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from bench.figure import Bench, Row
from imitative.beliefs.elicited import Elicited
from imitative.beliefs.prior import Elicitor, ask_prior
from imitative.hypotheses.belief import Belief, BeliefSpace, Parameter, gaussian_noise
from imitative.overseers.believer import Believer
from imitative.search.readable import free

SEEDS = range(10)
NEAR = 0.1
ONE = BeliefSpace((Parameter("R0", lower=0.0),))
KNOWN_ONE = ONE.read("R0 is about 2.4, give or take a factor of 1.3.")
THREE = BeliefSpace((Parameter("R0", lower=0.0), Parameter("the effect"), Parameter("the share", lower=0.0, upper=1.0)))
KNOWN_THREE = THREE.read(
    "R0 is about 2.4, give or take a factor of 1.3.\nThe effect is about -1, give or take 0.5.\n"
    "The share is about 0.3, as after 20 cases.\nWhen R0 is high, the effect is smaller."
)
START_THREE = (np.array([math.log(3.0), 0.0, 0.0]), np.array([0.6, 1.0, 1.5]))


def gap(space: BeliefSpace, z: Belief, learned: Elicited) -> float:
    """KL(the person's prior ‖ the learned one), nats, by draws of the former."""
    theta = space.draw(z, gaussian_noise(8192, len(space.parameters), 9))
    u, jacobian = np.empty_like(theta), np.zeros(len(theta))
    for k, p in enumerate(space.parameters):
        u[:, k], more = free(theta[:, k], p.lower, p.upper)
        jacobian += more
    return float((space.log_density(z, theta) + jacobian - learned.log_density_u(u)).mean())


def asked(
    space: BeliefSpace, z: Belief, start: Any, budget: int, seed: int, odds_every: int
) -> tuple[Elicited, Elicitor]:
    """What is learned from so many judgements of a noisy person."""
    elicitor = Elicitor(space, *start, seed=seed, odds_every=odds_every)
    person = Believer(space, z, seed=seed)
    return asyncio.run(ask_prior(elicitor, person, budget, enough=0.0)), elicitor


def prior(bench: Bench) -> Iterator[Row]:
    """One parameter and three, with a third of the questions about odds, and from comparisons alone."""
    cases = (
        ("1 parameter, 60 judgements", ONE, KNOWN_ONE, (np.array([math.log(3.0)]), np.array([0.6])), 60),
        ("3 parameters, 200 judgements", THREE, KNOWN_THREE, START_THREE, 200),
    )
    for name, space, z, start, budget in cases:
        for odds_every, how in ((3, "a third of them odds"), (0, "comparisons alone")):
            seeds = SEEDS if budget < 100 else range(5)
            gaps = [gap(space, z, asked(space, z, start, budget, seed, odds_every)[0]) for seed in seeds]
            bench.say(f"{name}, {how}: {np.round(gaps, 3).tolist()}")
            mean = float(np.mean(gaps))
            detail = {"KL of each seed": gaps, "worst": max(gaps)}
            yield Row(f"prior: {name}, {how}", mean, f"≤ {NEAR}", mean <= NEAR, detail)
    yield from direct(bench)


def direct(bench: Bench) -> Iterator[Row]:
    """Direct elicitation as PreliZ does it: the person states an interval and how sure they are; we never ask that.

    The log-normal of greatest entropy with 90 % inside the ends they state, each end off by a tenth of the interval's
    width (sd). Written out: PreliZ 0.24 cannot be imported beside this project's matplotlib.
    """
    from scipy import optimize, stats

    rng = np.random.default_rng(0)
    gaps = []
    centre, spread = math.log(2.4), math.log(1.3)
    for _ in SEEDS:
        low, high = np.array([centre - 1.645 * spread, centre + 1.645 * spread]) + 0.329 * spread * rng.standard_normal(
            2
        )

        def outside(n: Any, low: float = low, high: float = high) -> float:
            inside = stats.norm.cdf(high, n[0], math.exp(n[1])) - stats.norm.cdf(low, n[0], math.exp(n[1]))
            return float(inside - 0.9)

        found = optimize.minimize(
            lambda n: -(n[0] + n[1]), [0.5 * (low + high), math.log((high - low) / 3.3)], method="SLSQP",
            constraints={"type": "eq", "fun": outside},
        )  # fmt: skip
        mu, sigma = float(found.x[0]), math.exp(float(found.x[1]))
        gaps.append(math.log(sigma / spread) + (spread**2 + (centre - mu) ** 2) / (2 * sigma**2) - 0.5)
    mean = float(np.mean(gaps))
    bench.say(f"direct: {np.round(gaps, 3).tolist()}")
    yield Row("prior: direct, maximum entropy, noisy interval", mean, "for comparison", True, {"KL of each seed": gaps})
