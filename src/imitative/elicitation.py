"""Which query next: the one expected to settle most of D′, per unit of cost.

M_prior's ensemble is a posterior over tastes; under each draw e some hypothesis z_e is the best, and labels D′ its way.
What is undecided is how differently two draws would label a question of D′ (Rao's quadratic entropy),

    U = Σ_e Σ_e′ p_e p_e′ · share of D′ on which z_e and z_e′ answer differently,

and a comparison is worth U less its expectation after the answer, p_e being weighted by what each draw says the answer
would be. So a question that changes the choice of z counts for what the choice changes, and one between two ways of
saying the same counts for nothing. A little is added for what it tells of the scores themselves.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, ndtr

from imitative.data import Floats, Mask, Table
from imitative.hypotheses.conditions import Condition, Relation
from imitative.hypotheses.statements import Hypothesis, Statement, StatementSpace, Strength
from imitative.posterior import Posterior
from imitative.prior import StatementPrior
from imitative.records import Kind, Query
from imitative.scoring import Scorer
from imitative.search.search import Scored
from imitative.traits import NATS

Integers = NDArray[np.int64]

ODDS_SHARE = 0.75
"""The share of comparisons asked as odds: they fix the scale in nats, but take a person longer."""
ANSWER_VARIANCE = 2.0
"""Of one answer about a score difference, nats²: between odds (about 1) and an even graded comparison (about 4)."""
CURIOSITY = 0.02
"""The share of D′ that a nat of knowledge about scores is worth before it is known to bear on any answer."""


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
    if not scorer.options:
        return []
    logits = np.zeros((len(scorer.answers), len(scorer.y)))
    change = scorer.likelihood_of_all([logits])[0]
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


def promising(scorer: Scorer, count: int) -> tuple[list[Statement], Floats]:
    """The statements that explain most of D by themselves, one for each condition, and the nats they explain, > 0."""
    if not scorer.options:
        return [], np.empty(0)
    logits = np.zeros((len(scorer.answers), len(scorer.y)))
    explained = scorer.likelihood_of_all([logits])[0].reshape(len(scorer.pool), -1)
    most = explained.max(axis=1)
    order = [int(k) for k in np.argsort(-most, kind="stable")[:count] if most[k] > 0.0]
    statements = [scorer.statement(k * explained.shape[1] + int(explained[k].argmax())) for k in order]
    return statements, np.asarray(most[order], dtype=np.float64)


def opposites(statement: Statement, answers: Sequence[str]) -> list[Statement]:
    """The same claim for each other answer: set beside it, what the conditions speak of and how long they are cancels,
    and one judgement says which way people take them to lean, and how far.
    """
    return [replace(statement, answer=answer) for answer in answers if answer != statement.answer]


def doubting(z: Hypothesis, answers: Sequence[str]) -> list[Hypothesis]:
    """z less each of its statements, and with each turned to another answer, at every strength."""
    turned = [
        replace(z, statements=tuple(replace(t, answer=answer, strength=w) if t == s else t for t in z.statements))
        for s in z.statements
        for answer in answers
        if answer != s.answer
        for w in Strength
    ]
    return [*(without(z, s) for s in z.statements), *turned]


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


def hopeful(
    best: Hypothesis, logits: Floats, elsewhere: Floats, masks: Mask, scorer: Scorer, count: int
) -> list[Statement]:
    """What might be worth adding to z*: statements that may raise the score and would change answers on D′.

    The search goes by the lower bound, so what it leaves out for want of judgements must be asked about here. Ranked
    by P(it raises the score) · (share of D′ it relabels + 1 %), one for each condition.

    Args:
        best: z*.
        logits: what it gives D, (A, n).
        elsewhere: what it gives a sample of D′, (A, n′).
        masks: where each condition of the pool holds in that sample, (K, n′).
        scorer: the posterior over the pool.
        count: how many statements.
    """
    if not scorer.options:
        return []
    gain = scorer.likelihood_of_all([logits])[0] + scorer.mean_beside(best)
    chance = ndtr(gain / np.sqrt(scorer.variance + 1e-9)).reshape(len(scorer.pool), len(scorer.answers), len(NATS))
    relabelled = np.empty_like(chance)
    held = masks.astype(np.float32)
    top = elsewhere.max(axis=0)
    for a in range(len(scorer.answers)):
        turned = (elsewhere[a] < top) & (elsewhere[a] + NATS[:, None] * scorer.sharpness > top)
        relabelled[:, a] = held @ turned.T.astype(np.float32) / max(masks.shape[1], 1)
    value = (chance * (relabelled + 0.01)).reshape(len(scorer.pool), -1)
    value[[k for s in best.statements if (k := scorer.find(s.conditions)) is not None]] = -np.inf
    order = np.argsort(-value.max(axis=1), kind="stable")[:count]
    return [scorer.statement(int(k) * value.shape[1] + int(value[k].argmax())) for k in order]


def _edits(first: Hypothesis, second: Hypothesis) -> int:
    return len(set(first.statements) ^ set(second.statements))


def without(z: Hypothesis, statement: Statement) -> Hypothesis:
    """z less one statement."""
    return replace(z, statements=tuple(s for s in z.statements if s != statement))


# -- what it is worth ------------------------------------------------------------------------------------------------


class Choice(NamedTuple):
    """What hangs on the choice of z: candidates, M_prior's ensemble over their scores, and how each labels D′.

    Args:
        scores: (Z,) mean log posterior of each candidate, in nats.
        deviations: (Z, E) what each draw of M_prior adds.
        labels: (Z, n′) answers to a sample of D′, as indices.
    """

    scores: Floats
    deviations: Floats
    labels: Integers

    @classmethod
    def among(cls, candidates: Sequence[Hypothesis], posterior: Posterior, sample: Table) -> Choice:
        """The candidates' scores under the posterior, without its caution: each draw is believed in turn."""
        prior, names = posterior.prior, posterior.labelled.names
        assert isinstance(prior, StatementPrior)
        scores = [prior.log_prior(z) + posterior.log_likelihood(z) for z in candidates]
        labels = [posterior.likelihood.log_probabilities(sample, z, names).argmax(axis=1) for z in candidates]
        return cls(np.array(scores), np.array([prior.deviations(z) for z in candidates]), np.array(labels))

    def disagreement(self) -> Floats:
        """The share of D′ that the best hypotheses of two draws label differently: (E, E)."""
        best, draw = np.unique((self.scores[:, None] + self.deviations).argmax(axis=0), return_inverse=True)
        labels = self.labels[best]
        between = np.array([(labels != row).mean(axis=1) for row in labels]).reshape(len(best), len(best))
        return np.asarray(between[np.ix_(draw, draw)])


def worth(choice: Choice, means: Floats, deviations: Floats) -> Floats:
    """What each comparison is expected to settle of D′, and a little for what it tells of itself.

    Args:
        choice: what hangs on it.
        means: M_prior's score difference for each comparison, (P,), in nats.
        deviations: its ensemble's, (P, E), in nats.

    Returns:
        (P,): expected share of D′ settled, at most U, plus `CURIOSITY` times the nats told.
    """
    apart = choice.disagreement()
    chance = expit(means[:, None] + deviations)
    share = chance.mean(axis=1)
    undecided = apart.mean()
    expected = np.zeros(len(means))
    for likely, overall in ((chance, share), (1.0 - chance, 1.0 - share)):
        weights = likely / np.maximum(likely.sum(axis=1, keepdims=True), 1e-12)
        expected += overall * ((weights @ apart) * weights).sum(axis=1)
    told = _entropy(share) - _entropy(chance).mean(axis=1)
    return np.asarray(undecided - expected + CURIOSITY * told)


def _entropy(chance: Floats) -> Floats:
    inside = np.clip(chance, 1e-12, 1.0 - 1e-12)
    return np.asarray(-inside * np.log(inside) - (1.0 - inside) * np.log(1.0 - inside))


def cost(pair: Pair) -> float:
    """What reading both sides costs, in sentences: those both have are read once."""
    shared = set(pair.first.statements) & set(pair.second.statements)
    return 2.0 + len(set(pair.first.statements) | set(pair.second.statements)) - 0.5 * len(shared)


def choose(pairs: Sequence[Pair], choice: Choice, prior: StatementPrior, count: int) -> list[Pair]:
    """The best batch, greedily: each pair for what it tells beyond those already in the batch, per unit of cost.

    What an answer would tell is taken from the ensemble as a square-root Kalman update (Whitaker and Hamill 2002), so
    a second question about the same thing is worth little, before the first is even asked.
    """
    if not pairs:
        return []
    first = np.array([prior.deviations(pair.first) for pair in pairs])
    deviations = first - np.array([prior.deviations(pair.second) for pair in pairs])
    means = np.array([prior.log_prior(pair.first) - prior.log_prior(pair.second) for pair in pairs])
    costs = np.array([cost(pair) for pair in pairs])
    left = np.ones(len(pairs), dtype=np.bool_)
    chosen: list[Pair] = []
    while left.any() and len(chosen) < count:
        value = np.where(left, worth(choice, means, deviations) / costs, -np.inf)
        best = int(value.argmax())
        chosen.append(pairs[best])
        left[best] = False
        heard = deviations[best].copy()
        variance = float(heard @ heard) / len(heard)
        gain = 1.0 / (variance + ANSWER_VARIANCE) / (1.0 + np.sqrt(ANSWER_VARIANCE / (variance + ANSWER_VARIANCE)))
        deviations = deviations - np.outer(deviations @ heard / len(heard) * gain, heard)
        moved = choice.deviations - np.outer(choice.deviations @ heard / len(heard) * gain, heard)
        choice = choice._replace(deviations=moved)
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
        # A conjunction may fail to hold for its other conditions: only single ones tell how a word is read.
        for condition in statement.conditions if len(statement.conditions) == 1 else ():
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
        if len(queries) >= count:
            break
        feature = features[condition.feature]
        rows = np.flatnonzero(unlabelled.codes(feature.name) == feature.values.index(met))
        if len(rows) == 0:
            continue
        other = next(answer for answer in space.answers if answer != statement.answer)
        shown = Hypothesis((replace(statement, strength=Strength.STRONG),), other)
        row = unlabelled.row(int(rows[times % len(rows)]))
        query = Query(Kind.COMPARE_ANSWERS, (space.show(shown),), row, (statement.answer, other), purpose="likelihood")
        queries.append((query, (feature.name, said, met)))
    return queries


__all__ = [
    "Choice",
    "Pair",
    "alone",
    "around",
    "as_queries",
    "choose",
    "cost",
    "explore",
    "hopeful",
    "promising",
    "query_of",
    "readings",
    "silent",
    "worth",
]
