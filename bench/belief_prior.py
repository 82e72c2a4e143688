"""The prior by comparison: how near a simulated person's known prior, after how many judgements."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from bench.figure import Bench, Row
from imitative.hypotheses.belief import Belief, BeliefSpace, Parameter, gaussian_noise
from imitative.overseers.believer import Believer
from imitative.prior_by_comparison import Elicited, Elicitor, ask_prior
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

    They state the ends of their 90 % interval with the noise people have: each end off by 10 % of its width (sd).
    """
    try:
        import preliz
    except ImportError:
        bench.say("PreliZ is not installed: pip install preliz to compare with direct elicitation")
        return
    rng = np.random.default_rng(0)
    gaps = []
    centre, log_factor = math.log(2.4), math.log(1.3)
    for _ in SEEDS:
        low, high = (centre + s * 1.645 * log_factor for s in (-1, 1))
        wide = high - low
        ends = np.exp(np.array([low, high]) + 0.1 * wide * rng.standard_normal(2))
        found = preliz.LogNormal()
        preliz.maxent(found, float(ends[0]), float(ends[1]), 0.9, plot=False)
        mu, sigma = float(found.mu), float(found.sigma)
        gaps.append(math.log(sigma / log_factor) + (log_factor**2 + (centre - mu) ** 2) / (2 * sigma**2) - 0.5)
    mean = float(np.mean(gaps))
    yield Row(
        "prior: PreliZ maxent from a noisy 90 % interval", mean, "for comparison", True, {"KL of each seed": gaps}
    )
