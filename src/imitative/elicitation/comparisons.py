"""Which query next: the comparisons whose answers lower most of what hangs on M_prior's doubts, per unit of cost.

What hangs on them is told by `stakes.py`; which comparisons lower it most is an optimal design (`design.py`). So a
question that can change the choice of z counts for what the choice changes on D′, and one whose answer another of the
batch would already give counts for next to nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np
from scipy.special import ndtr

from imitative.elicitation.design import design
from imitative.elicitation.pairs import Pair, alone, query_of, silent
from imitative.elicitation.stakes import Stakes
from imitative.hypotheses.statements import Hypothesis, Statement, StatementSpace
from imitative.prior import StatementPrior
from imitative.records import MOST_ODDS, Kind, Query
from imitative.scoring import Scorer
from imitative.search.search import Scored
from imitative.traits import NATS

ODDS_SHARE = 0.75
"""The share of comparisons asked as odds: they fix the scale in nats, but take a person longer."""
ANSWER_VARIANCE = 2.0
"""Of one answer about a score difference, nats²: between odds (about 1) and an even graded comparison (about 4)."""


# -- what could be asked ---------------------------------------------------------------------------------------------


def explore(scorer: Scorer, default: str, count: int, rng: np.random.Generator) -> list[Pair]:
    """Statements against each other and against silence, before it is known where the search will go.

    Half are drawn by what they explain of D, half from everything that can be said: what D does not show but D′ holds
    must be asked about too.
    """
    if not scorer.options:
        return []
    change = scorer.explained
    rank = np.empty(len(change))
    rank[np.argsort(-change, kind="stable")] = np.arange(len(change))
    likely = np.exp(-rank / max(20.0, 0.02 * len(change)))
    # Moderate and strong evidence are the easiest to judge.
    sensible = np.isin(np.arange(len(change)) % len(NATS), (2, 3)).astype(np.float64)
    weights = [likely * sensible, sensible]

    def draw() -> Statement:
        weight = weights[int(rng.random() < 0.5)]
        return scorer.statement(int(rng.choice(len(weight), p=weight / weight.sum())))

    pairs: list[Pair] = []
    while len(pairs) < count:
        first, second = draw(), draw()
        kind = rng.random()
        if kind < 0.4:
            pairs.append(Pair(alone(first, default), silent(default)))
        elif kind < 0.7:
            pairs += [Pair(alone(first, default), alone(other, default)) for other in opposites(first, scorer.answers)]
        elif first.conditions != second.conditions:
            pairs.append(Pair(alone(first, default), alone(second, default)))
    return pairs


def opposites(statement: Statement, answers: Sequence[str]) -> list[Statement]:
    """The same claim for each other answer: set beside it, what the conditions speak of and how long they are cancels,
    and one judgement says which way people take them to lean, and how far.
    """
    return [replace(statement, answer=answer) for answer in answers if answer != statement.answer]


def around(
    found: Sequence[Scored], hopefuls: Sequence[Statement], scorer: Scorer, rng: np.random.Generator
) -> list[Pair]:
    """Comparisons where the search now is: z* against its rivals, its statements against silence and against what could
    stand in their place, and what might be worth adding against silence.
    """
    best = found[0].hypothesis
    pairs = [Pair(best, other.hypothesis) for other in found[1:40] if _edits(best, other.hypothesis) <= 3]
    for statement in (*best.statements, *hopefuls):
        pairs.append(Pair(alone(statement, best.default), silent(best.default)))
        for other in opposites(statement, scorer.answers):
            pairs.append(Pair(alone(statement, best.default), alone(other, best.default)))
    rivals = dict.fromkeys(s for other in found[1:60] for s in other.hypothesis.statements if s not in best.statements)
    for statement in list(rivals)[:30]:
        pairs.append(Pair(alone(statement, best.default), silent(best.default)))
        for own in best.statements:
            if {c.feature for c in own.conditions} & {c.feature for c in statement.conditions}:
                pairs.append(Pair(alone(own, best.default), alone(statement, best.default)))
    return [pair for pair in dict.fromkeys(pairs) if pair.first != pair.second]


def _edits(first: Hypothesis, second: Hypothesis) -> int:
    return len(set(first.statements) ^ set(second.statements))


# -- what it is worth ------------------------------------------------------------------------------------------------


def choose(pairs: Sequence[Pair], stakes: Stakes, prior: StatementPrior, count: int) -> tuple[list[Pair], list[float]]:
    """The best batch, and what each is worth per unit of cost: the design that lowers most of what is at stake; any
    pairs, worth nothing, where nothing is.

    Scores that differ by more than the labelled scale of odds can say are heard as *at least so much*: a comparison
    counts for the chance that the difference lies on the scale.
    """
    if not pairs or not count or not stakes.about:
        return list(pairs[:count]), [0.0] * len(pairs[:count])
    traits = prior.traits
    targets = stakes.traits
    differences = np.array([traits.hypothesis(pair.first) - traits.hypothesis(pair.second) for pair in pairs])
    covariance = prior.covariance(np.vstack([targets, differences]))
    across, within = covariance[: len(targets), len(targets) :], covariance[len(targets) :, len(targets) :]
    means, sds = differences @ prior.weights, np.sqrt(np.diagonal(within) + ANSWER_VARIANCE)
    on_the_scale = ndtr((MOST_ODDS - means) / sds) - ndtr((-MOST_ODDS - means) / sds)
    costs = np.array([pair.cost for pair in pairs])
    chosen, gains = design(across, within, stakes.worth, costs, on_the_scale, ANSWER_VARIANCE, count)
    return [pairs[i] for i in chosen], gains


def as_queries(
    pairs: Sequence[Pair], space: StatementSpace, rng: np.random.Generator, refused: Collection[Kind] = ()
) -> list[Query]:
    """The queries for a batch: `ODDS_SHARE` of them as odds, unless one kind is `refused`; no two alike."""
    share = ODDS_SHARE
    if (Kind.ODDS in refused) != (Kind.COMPARE_HYPOTHESES in refused):
        share = float(Kind.ODDS not in refused)
    kinds = [Kind.ODDS if rng.random() < share else Kind.COMPARE_HYPOTHESES for _ in pairs]
    return list({q.key: q for q in (query_of(p, space, k) for p, k in zip(pairs, kinds, strict=True))}.values())
