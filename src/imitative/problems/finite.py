"""Plants: a Z of 38 hypotheses, an overseer who answers exactly, and so an answer that can be computed by hand.

In D every plant in the sun stands in a clay pot and no other does, so that *sun* and *clay* explain D equally well and
only the prior tells them apart; in D′ the two have nothing to do with each other. Watering matters too; D shows how.
"""

from __future__ import annotations

from itertools import combinations
from typing import Final

import numpy as np

from imitative.data import Feature, FeatureKind, Labelled, Table
from imitative.hypotheses.statements import Hypothesis, Limits, StatementSpace, Strength
from imitative.loaded import LoadedProblem
from imitative.overseers.simulated import Simulated
from imitative.problem import Problem, Truth
from imitative.settings import Settings
from imitative.streams import Stream, generator

LABELLED, UNLABELLED = 40, 200
"""Rows of D and of D′."""
SPOKEN: Final = {"flowers": "the plant will flower", "leaves": "the plant will only grow leaves"}
FEATURES: Final = (
    Feature(
        "place",
        FeatureKind.BOOLEAN,
        "the place",
        phrases={"sun": "the plant stands in the sun", "shade": "the plant stands in the shade"},
        values=("sun", "shade"),
    ),
    Feature(
        "water",
        FeatureKind.BOOLEAN,
        "the watering",
        phrases={"often": "the plant is watered often", "seldom": "the plant is seldom watered"},
        values=("often", "seldom"),
    ),
    Feature(
        "pot",
        FeatureKind.BOOLEAN,
        "the pot",
        phrases={"clay": "the pot is made of clay", "plastic": "the pot is made of plastic"},
        values=("clay", "plastic"),
    ),
)

STATEMENTS: Final = (
    "If the plant stands in the sun, the plant will flower (strong evidence).",
    "If the plant stands in the sun, the plant will flower (slight evidence).",
    "If the pot is made of clay, the plant will flower (strong evidence).",
    "If the pot is made of clay, the plant will flower (slight evidence).",
    "If the plant is watered often, the plant will flower (moderate evidence).",
    "If the plant is seldom watered, the plant will only grow leaves (moderate evidence).",
)
"""What a hypothesis of Z may say: at most two of these, about different things, and one of two defaults."""
DEFAULTS: Final = ("flowers", "leaves")
TRUE: Final = (STATEMENTS[0], STATEMENTS[5])
"""What D and D′ are drawn from, with leaves as the default."""
BELIEVES: Final = (
    "If the plant stands in the sun, the plant will flower (moderate evidence).",
    "If the plant is watered often, the plant will flower (slight evidence).",
)
"""What the overseer holds true. Of pots they know nothing."""


def finite(seed: int = 0) -> LoadedProblem:
    """Will the plant flower? 38 hypotheses and exact judgements, so that every step can be checked.

    Args:
        seed: draws D and D′.
    """
    rng = generator(seed, Stream.FINITE)
    space = StatementSpace(FEATURES, tuple(SPOKEN), SPOKEN, Limits(2, 1, 1))
    z = Hypothesis(tuple(map(space.read_statement, TRUE)), "leaves", Strength.HINT)
    labelled = _plants(LABELLED, rng, confounded=True)
    logits = z.logits(labelled, space.answers)
    # Gumbel's trick: the largest of logits with Gumbel noise is drawn from their softmax.
    answers = (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)
    unlabelled = _plants(UNLABELLED, rng, confounded=False)
    problem = Problem(
        "finite",
        "Will this plant flower?",
        Labelled(labelled, answers, space.answers),
        unlabelled,
        SPOKEN,
        space,
        candidates(space),
    )
    truth = Truth(z.logits(unlabelled, space.answers).argmax(axis=1))
    settings = Settings(exact=True)
    return LoadedProblem(
        problem,
        truth,
        lambda _: exact(space),
        seed,
        budget=150,
        settings=settings,
        source="finite",
        judged="simulated",
    )


def candidates(space: StatementSpace) -> tuple[Hypothesis, ...]:
    """Z, in a fixed order."""
    statements = [space.read_statement(text) for text in STATEMENTS]
    pairs = [
        pair for pair in combinations(statements, 2) if pair[0].conditions[0].feature != pair[1].conditions[0].feature
    ]
    sets = [(), *((statement,) for statement in statements), *pairs]
    return tuple(Hypothesis(said, default, Strength.HINT) for default in DEFAULTS for said in sets)


def exact(space: StatementSpace) -> Simulated:
    """Someone who answers without noise, on a scale without labels, and follows z to the letter."""
    believes = [space.read_statement(text) for text in BELIEVES]
    return Simulated(space, believes, irrelevant=0.0, exact=True, noise=0.0, careless=0.0, ties=0.0, name="exact")


def _plants(count: int, rng: np.random.Generator, *, confounded: bool) -> Table:
    sun, often, clay = rng.integers(2, size=(3, count))
    columns = {"place": sun, "water": often, "pot": sun if confounded else clay}
    return Table(FEATURES, {name: codes.astype(np.int32) for name, codes in columns.items()})
