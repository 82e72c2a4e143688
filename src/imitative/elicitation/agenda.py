"""What a round asks: about readings, about what z* rests on, and about what else hangs on M_prior's doubts.

Every round asks a little, since where the search then goes depends on the answers. The first has nothing to choose by
yet but what D speaks for. Part of the budget stays for the last audit.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence, Set
from dataclasses import dataclass, replace
from typing import NamedTuple, final

import numpy as np

from imitative.data import Labelled, Table
from imitative.elicitation import comparisons, stakes
from imitative.elicitation.checks import Check, checks
from imitative.elicitation.compounds import Compounds
from imitative.elicitation.pairs import Pair, query_of, silent
from imitative.elicitation.readings import heard, readings
from imitative.hypotheses.statements import Hypothesis, Statement
from imitative.likelihood import Reading
from imitative.pool import build_pool
from imitative.posterior import Posterior
from imitative.prior import StatementPrior
from imitative.problem import Problem
from imitative.records import Judgement, Kind, Query
from imitative.scoring import Scorer
from imitative.search.search import Scored, run
from imitative.search.tempering import Tempering
from imitative.settings import Settings
from imitative.streams import Stream, generator

ROUND = 0.1
"""The share of induction's judgements that a round asks."""
DRAWN = 4
"""Times as many comparisons drawn as a round may ask."""
OPENING = 16
"""The same for the first round, which has no z* to compare with anything; but no more than `MOST_DRAWN`."""
MOST_DRAWN = 2000
PROMISING = 400
"""Statements whose scores a first round is to tell of: those that explain most of D, one for each condition."""
NEIGHBOURS = 200
"""Statements whose scores a later round is to tell of besides those of z*: those with the greatest stakes."""
DOUBT = 0.75
"""Nats of uncertainty from which a statement of z* is asked about whatever else there is to ask."""
DRAWS = 8
"""Draws of M_prior whose best hypotheses are considered when choosing what to ask."""
HOPEFULS = 60
"""Statements that might be worth adding to z*, asked about as its own are."""
SAMPLE = 400
"""Questions of D′ on which hypotheses are compared when choosing what to ask: a share is known to within 0.025."""
REFUSED = 5
"""Queries of a kind that were all skipped or not to be read, from which no other of that kind is asked."""
ENOUGH_FOR_BETS = 20
"""Queries in a round from which two of them are reference bets."""


class Known(NamedTuple):
    """What is known when a round begins.

    Args:
        prior: M_prior.
        reading: M_L.
        found: z* and its rivals; empty before the first search.
        judgements: all so far.
    """

    prior: StatementPrior
    reading: Reading
    found: tuple[Scored, ...]
    judgements: tuple[Judgement, ...]


class Plan(NamedTuple):
    """What to ask.

    Args:
        queries: in the order of asking.
        undecided: the share of D′ that two draws of M_prior would label differently; 1 where it was not looked at.
    """

    queries: list[Query]
    undecided: float = 1.0


def refused_by(judgements: Sequence[Judgement]) -> set[Kind]:
    """Kinds of queries that were asked several times and never answered: somebody answers others all the same."""
    asked = Counter(judgement.query.kind for judgement in judgements)
    answered = {judgement.query.kind for judgement in judgements if judgement.answered}
    return {kind for kind, times in asked.items() if times >= REFUSED and kind not in answered}


@final
@dataclass(frozen=True, eq=False)
class Agenda:
    """Plans the queries of a round.

    Args:
        problem: D, D′, Z.
        labelled: D, or the rows of it that the search reads.
        evidence: e of `Posterior` for those rows.
        settings: how to spend.
        budget: judgements for Steps 1–3.
        seed: of the sample of D′.
    """

    problem: Problem
    labelled: Labelled
    evidence: float
    settings: Settings
    budget: int
    seed: int

    def __post_init__(self) -> None:
        drawn = generator(self.seed, Stream.COMPARED).permutation(len(self.problem.unlabelled))[:SAMPLE]
        object.__setattr__(self, "_sample", self.problem.unlabelled.take(np.sort(drawn)))

    @property
    def sample(self) -> Table:
        """The questions of D′ on which hypotheses are compared."""
        return self._sample  # type: ignore[attr-defined, no-any-return]

    @property
    def reserve(self) -> int:
        """What a last audit takes."""
        return min(self.problem.space.limits.statements, self.budget // 10)

    def objective(self, prior: StatementPrior, reading: Reading) -> Posterior:
        """What the search maximises."""
        return Posterior(self.labelled, prior, reading, self.settings.caution, self.evidence)

    def plan(self, known: Known, left: int, last: bool, rng: np.random.Generator) -> Plan:
        """The next round's queries.

        Args:
            known: what is known.
            left: judgements left for Steps 1–3.
            last: whether nothing will be asked after, but for the audit.
            rng: everything random.
        """
        spendable = max(0, left - self.reserve)
        count = spendable if last else min(spendable, math.ceil(ROUND * self.budget))
        if not count:
            return Plan([])
        refused = refused_by(known.judgements)
        first = self._readings(known, round(self.settings.reading_share * count))
        doubts = self._doubts(known, (count - len(first)) // 2)
        first += [*(self._bets(known) if count >= ENOUGH_FOR_BETS else []), *doubts]
        first = [query for query in first if query.kind not in refused]
        taken = {frozenset(query.hypotheses) for query in first}
        compared, undecided = self._compared(known, taken, refused, max(0, count - len(first)), rng)
        return Plan([*first, *compared], undecided)

    def _readings(self, known: Known, count: int) -> list[Query]:
        """How people read the words of z*."""
        if not known.found or not count:
            return []
        best, space = known.found[0].hypothesis, self.problem.space
        said = heard(space, known.judgements)
        return readings(best, space, self.problem.unlabelled, known.reading, said, count)

    def _bets(self, known: Known) -> list[Query]:
        """Reference bets on silence and z*, at the stakes nearest to even by the present M_prior."""
        rounds = len({j.query.repeat for j in known.judgements if j.query.kind is Kind.BET})
        queries = []
        # A z* that says nothing is silence: nobody is asked of it twice.
        for z in dict.fromkeys([silent(self._default), *(scored.hypothesis for scored in known.found[:1])]):
            heads = int(np.clip(round(-known.prior.log_prior(z) / np.log(2.0)), 1, 15))
            queries.append(Query(Kind.BET, (self.problem.space.show(z),), heads=heads, repeat=rounds))
        return queries

    def _doubts(self, known: Known, count: int) -> list[Query]:
        """Odds of z* over z* less a statement of which M_prior knows little, the least known first."""
        if not known.found or not self.settings.active:
            return []
        best = known.found[0].hypothesis
        sds = {s: known.prior.deviation(s) for s in best.statements}
        doubtful = sorted((s for s in best.statements if sds[s] > DOUBT), key=lambda s: -sds[s])
        before = {judgement.query.key for judgement in known.judgements}
        pairs = [Pair(best, best.without(statement)) for statement in doubtful]
        queries = [query_of(pair, self.problem.space, Kind.ODDS) for pair in pairs]
        return [query for query in queries if query.key not in before][:count]

    # -- what hangs on M_prior's doubts ------------------------------------------------------------------------------

    def _compared(
        self, known: Known, taken: Set[frozenset[str]], refused: Set[Kind], count: int, rng: np.random.Generator
    ) -> tuple[list[Query], float]:
        """Which hypotheses to compare, none compared before or `taken` but where the answer may have been a slip, by no
        `refused` kind of query; and how undecided D′ is.
        """
        posterior, space = self.objective(known.prior, known.reading), self.problem.space
        around = [scored.hypothesis for scored in known.found[:5]]
        scorer = Scorer(posterior, build_pool(space, posterior, self.problem.unlabelled, around))
        before = {frozenset(judgement.query.hypotheses) for judgement in known.judgements} | taken

        def fresh(pairs: Sequence[Pair]) -> list[Pair]:
            shown: dict[frozenset[str], Pair] = {}
            for pair in pairs:  # either order asks the same, and no judgement may be counted twice
                shown.setdefault(frozenset((space.show(pair.first), space.show(pair.second))), pair)
            return [pair for sides, pair in shown.items() if sides not in before]

        opening = self.settings.active and not known.found
        # The design holds a table of all pairs of comparisons: what may be drawn has an end, unless all are asked.
        number = min((OPENING if opening else DRAWN) * count, max(MOST_DRAWN, count))
        explored = fresh(comparisons.explore(scorer, self._default, number, rng))
        if not self.settings.active:
            drawn = [explored[i] for i in rng.permutation(len(explored))]
            return comparisons.as_queries(drawn[:count], space, rng, refused), 1.0
        if opening:
            hanging = stakes.promising(scorer, known.prior, PROMISING)
            chosen, _ = comparisons.choose(explored, hanging, known.prior, count)
            return comparisons.as_queries(chosen, space, rng, refused), 1.0
        best = known.found[0].hypothesis
        beside = stakes.Beside.of(best, posterior, self.sample, scorer)
        own = stakes.Own.of(best, posterior, self.sample)
        compounds = Compounds.of(beside, posterior, self.sample, scorer, space)
        rivals = self._rivals(known, best, scorer, rng)
        hopefuls = stakes.hopeful(beside, scorer, HOPEFULS)
        spoken = [*hopefuls, *compounds.said]
        near = comparisons.around((known.found[0], *rivals, *known.found[1:]), spoken, scorer, rng)
        hanging = stakes.at_stake(beside, own, known.prior, scorer, NEIGHBOURS).joined(compounds.stakes)
        chosen, gains = comparisons.choose(fresh([*explored, *near, *compounds.pairs]), hanging, known.prior, count)
        again = self._again(known, taken, checks(beside, own, known.prior, scorer))
        # The best of both: the first check takes the place of what is worth least, and so on.
        least = sorted([*gains, *[0.0] * (count - len(gains))])
        kept = sum(check.gain > worth for check, worth in zip(again, least, strict=False))
        queries = comparisons.as_queries(chosen[: count - kept], space, rng, refused)
        candidates = [*self._candidates(known.found, rivals, hopefuls, posterior), *compounds.reached]
        asked = [*(check.query for check in again[:kept]), *queries]
        return asked, stakes.undecided(candidates, posterior, self.sample)

    def _again(self, known: Known, taken: Set[frozenset[str]], found: Sequence[Check]) -> list[Check]:
        """Those that are not asked in this round already, nor were before and skipped."""
        before = {judgement.query.key for judgement in known.judgements}
        return [check for check in found if check.sides not in taken and check.query.key not in before]

    def _rivals(self, known: Known, best: Hypothesis, scorer: Scorer, rng: np.random.Generator) -> list[Scored]:
        """What would be best if M_prior were one of its own draws (Thompson): rivals that differ in several places.

        Doubting one statement may need believing another (*no smell is harmless* needs *green spores are not*), so
        single edits of z* do not show what hangs on what the overseer has not been asked.
        """
        rivals: list[Scored] = []
        for draw in rng.permutation(len(known.prior.draws))[:DRAWS]:
            prior = StatementPrior(known.prior.traits, known.prior.draws[draw])
            posterior = Posterior(self.labelled, prior, known.reading, 0.0, self.evidence)
            slots = self.problem.space.limits.statements
            rivals += run(Tempering(Scorer(posterior, scorer.pool), slots, 4 * slots, (best,), (1.0,)), rng)[:3]
        return rivals

    def _candidates(
        self, found: Sequence[Scored], rivals: Sequence[Scored], hopefuls: Sequence[Statement], posterior: Posterior
    ) -> list[Hypothesis]:
        """Among which z* will be: what was seen, z* with a hopeful, and z* with one of its own statements in doubt."""
        best = found[0].hypothesis
        # A z that is full takes a newcomer in the place of the statement it would miss least.
        spare = max(best.statements, key=lambda s: posterior.score(best.without(s)), default=None)
        with_hope = [self._adopting(best, statement, spare) for statement in hopefuls]
        seen = [scored.hypothesis for scored in (*rivals, *found[:120])]
        return list(dict.fromkeys([*seen, *with_hope, *stakes.doubting(best, self.problem.answers)]))

    def _adopting(self, z: Hypothesis, statement: Statement, spare: Statement | None) -> Hypothesis:
        """z with the statement, without those it overlaps with, and without `spare` if it would be too long."""
        space = self.problem.space
        longer = space.adopting(z, statement)
        if len(longer.statements) <= space.limits.statements:
            return longer
        kept = [s for s in longer.statements if s not in (spare, statement)][: space.limits.statements - 1]
        return replace(z, statements=(*kept, statement))

    @property
    def _default(self) -> str:
        """The commonest answer of D: what a hypothesis that says nothing falls back on."""
        counts = np.bincount(self.problem.labelled.answers, minlength=len(self.problem.answers))
        return self.problem.answers[int(counts.argmax())]
