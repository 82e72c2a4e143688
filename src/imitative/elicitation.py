"""Which query next: the one expected to change the choice of z most, per unit of cost.

M_prior's ensemble is a posterior over tastes; under each draw e some hypothesis z_e is the best. A comparison is worth
the mutual information between what the overseer would say and which hypothesis is the best,

    I(answer; z_best) = H[ mean_e P_e(answer) ] − Σ_z P(z) · H[ mean_{e: z_e = z} P_e(answer) ],

in nats. Where all draws agree on z_best nothing can change the choice, and queries are worth what they tell about the
score of z* instead. Source: MacKay 1992, applied to the decision rather than to the parameters.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from scipy.special import expit

from imitative.data import Floats, Table
from imitative.hypotheses.conditions import Condition, Relation
from imitative.hypotheses.statements import Hypothesis, Statement, StatementSpace, Strength
from imitative.pool import Conditions
from imitative.prior import StatementPrior
from imitative.records import Kind, Query
from imitative.scoring import Scorer
from imitative.search.search import Scored
from imitative.traits import NATS

ODDS_SHARE = 0.4
"""The share of comparisons asked as odds: they fix the scale in nats, but take a person longer."""


class Pair(NamedTuple):
    """Two hypotheses to be compared."""

    first: Hypothesis
    second: Hypothesis


def query_of(pair: Pair, space: StatementSpace, kind: Kind, purpose: str = "prior", repeat: int = 0) -> Query:
    """The query that asks for a comparison of the two, or for odds."""
    return Query(kind, (space.show(pair.first), space.show(pair.second)), purpose=purpose, repeat=repeat)


def alone(statement: Statement, default: str) -> Hypothesis:
    """The hypothesis that says nothing else."""
    return Hypothesis((statement,), default)


def silent(default: str) -> Hypothesis:
    """The hypothesis that says nothing."""
    return Hypothesis((), default)


# -- what could be asked ---------------------------------------------------------------------------------------------


def explore(scorer: Scorer, default: str, count: int, rng: np.random.Generator) -> list[Pair]:
    """Statements against each other and against silence, before it is known where the search will go.

    Half are drawn by what they explain of D, half from everything that can be said: what D does not show but D′ holds
    must be asked about too.
    """
    logits = np.zeros((len(scorer.answers), len(scorer.y)))
    change = scorer.likelihood_of_all([logits])[0]
    rank = np.empty(len(change))
    rank[np.argsort(-change, kind="stable")] = np.arange(len(change))
    likely = np.exp(-rank / max(20.0, 0.02 * len(change)))
    sensible = np.isin(np.arange(len(change)) % len(NATS), (2, 3)).astype(float)  # moderate and strong are easiest to judge
    weights = [likely * sensible, sensible]

    def draw() -> Statement:
        weight = weights[int(rng.random() < 0.5)]
        return scorer.statement(int(rng.choice(len(weight), p=weight / weight.sum())))

    pairs: list[Pair] = []
    while len(pairs) < count:
        first, second = draw(), draw()
        if rng.random() < 0.5:
            pairs.append(Pair(alone(first, default), silent(default)))
        elif first.conditions != second.conditions:
            pairs.append(Pair(alone(first, default), alone(second, default)))
    return pairs


def around(found: Sequence[Scored], scorer: Scorer, prior: StatementPrior, rng: np.random.Generator) -> list[Pair]:
    """Comparisons where the search now is: z* against its rivals, and its statements against what could stand there."""
    best = found[0].hypothesis
    pairs = [Pair(best, other.hypothesis) for other in found[1:40] if _edits(best, other.hypothesis) <= 3]
    pairs += [Pair(best, _without(best, s)) for s in best.statements]
    pairs += [Pair(alone(s, best.default), silent(best.default)) for s in best.statements]
    likely = scorer.mean + 1.0 * scorer.deviations.std(axis=1)
    sensible = np.isin(np.arange(len(likely)) % len(NATS), (2, 3))
    upper = np.where(sensible, likely, -np.inf)
    promising = np.argsort(-upper, kind="stable")[:60]
    chosen = [scorer.statement(int(i)) for i in rng.permutation(promising)[:40]]
    taken = {s.conditions for s in best.statements}
    for statement in chosen:
        if statement.conditions not in taken:
            pairs.append(Pair(alone(statement, best.default), silent(best.default)))
    rivals = [s for other in found[1:60] for s in other.hypothesis.statements if s not in best.statements]
    for statement in dict.fromkeys(rivals):
        for own in best.statements:
            if own.conditions != statement.conditions:
                pairs.append(Pair(alone(own, best.default), alone(statement, best.default)))
    return list(dict.fromkeys(pairs))


def _edits(first: Hypothesis, second: Hypothesis) -> int:
    return len(set(first.statements) ^ set(second.statements))


def _without(z: Hypothesis, statement: Statement) -> Hypothesis:
    return replace(z, statements=tuple(s for s in z.statements if s != statement))


# -- what it is worth ------------------------------------------------------------------------------------------------


def worth(pairs: Sequence[Pair], found: Sequence[Scored], prior: StatementPrior) -> Floats:
    """What each comparison is expected to tell about the choice of z: (len(pairs),) nats."""
    deviations = np.array([prior.deviations(scored.hypothesis) for scored in found])
    scores = np.array([scored.score for scored in found])[:, None] + deviations
    choice = scores.argmax(axis=0)
    members = np.array([prior.members(pair.first) - prior.members(pair.second) for pair in pairs])
    chance = expit(members)
    told = _entropy(chance.mean(axis=1))
    if len(set(choice.tolist())) > 1:
        expected = np.zeros(len(pairs))
        for z in set(choice.tolist()):
            mine = choice == z
            expected += mine.mean() * _entropy(chance[:, mine].mean(axis=1))
        return np.asarray(told - expected + 0.1 * (told - _entropy(chance).mean(axis=1)))
    return np.asarray(told - _entropy(chance).mean(axis=1))


def _entropy(chance: Floats) -> Floats:
    inside = np.clip(chance, 1e-12, 1.0 - 1e-12)
    return np.asarray(-inside * np.log(inside) - (1.0 - inside) * np.log(1.0 - inside))


def cost(pair: Pair) -> float:
    """What reading both sides costs, in sentences: those both have are read once."""
    shared = set(pair.first.statements) & set(pair.second.statements)
    return 2.0 + len(set(pair.first.statements) | set(pair.second.statements)) - 0.5 * len(shared)


def choose(pairs: Sequence[Pair], value: Floats, count: int) -> list[Pair]:
    """The `count` most valuable pairs, each statement asked about less eagerly the more often it was chosen."""
    used: Counter[Statement] = Counter()
    left = list(range(len(pairs)))
    differing = [set(p.first.statements) ^ set(p.second.statements) for p in pairs]
    chosen: list[Pair] = []
    while left and len(chosen) < count:
        best = max(left, key=lambda i: value[i] / (1.0 + sum(used[s] for s in differing[i])))
        left.remove(best)
        chosen.append(pairs[best])
        used.update(differing[best])
    return chosen


def as_queries(pairs: Sequence[Pair], space: StatementSpace, rng: np.random.Generator) -> list[Query]:
    """The queries for a batch: `ODDS_SHARE` of them as odds, no two alike."""
    kinds = [Kind.ODDS if rng.random() < ODDS_SHARE else Kind.COMPARE_HYPOTHESES for _ in pairs]
    return list({q.key: q for q in (query_of(p, space, k) for p, k in zip(pairs, kinds, strict=True))}.values())


# -- how people read -------------------------------------------------------------------------------------------------


def readings(
    z: Hypothesis, space: StatementSpace, unlabelled: Table, asked: Counter[tuple[str, str, str]], count: int
) -> list[tuple[Query, tuple[str, str, str]]]:
    """Does a word cover a value it does not name? Questions of D′ that hold a value near one that z names.

    Returns:
        queries comparing the statement's answer with another, and the (feature, said, met) each is about.
    """
    features = {feature.name: feature for feature in space.features}
    wanted: list[tuple[int, str, Statement, Condition, str]] = []
    for statement in z.statements:
        for condition in statement.conditions:
            feature = features[condition.feature]
            if condition.relation not in (Relation.IS, Relation.IS_ONE_OF) or len(feature.values) < 3:
                continue
            said = condition.values[0]
            for met in feature.values:
                if met not in condition.values and asked[feature.name, said, met] < 2:
                    wanted.append((asked[feature.name, said, met], met, statement, condition, said))
    wanted.sort(key=lambda item: item[0])
    queries: list[tuple[Query, tuple[str, str, str]]] = []
    for times, met, statement, condition, said in wanted:
        if len(queries) >= count or len(statement.conditions) > 1:
            break
        feature = features[condition.feature]
        rows = np.flatnonzero(unlabelled.codes(feature.name) == feature.values.index(met))
        if len(rows) == 0:
            continue
        other = next(answer for answer in space.answers if answer != statement.answer)
        shown = Hypothesis((replace(statement, strength=Strength.STRONG),), other)
        row = unlabelled.row(int(rows[times % len(rows)]))
        query = Query(
            Kind.COMPARE_ANSWERS, (space.show(shown),), row, (statement.answer, other), purpose="likelihood"
        )
        queries.append((query, (feature.name, said, met)))
    return queries


__all__ = ["Conditions", "Pair", "alone", "around", "as_queries", "choose", "cost", "explore", "query_of", "readings",
           "silent", "worth"]
