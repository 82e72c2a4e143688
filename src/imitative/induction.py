"""Steps 1–3: elicit, fit, search, and elicit again where the search now is, until z* survives a fresh audit.

    state ← init(problem)
    while not done(state):
        queries   ← what is worth asking                         elicitation
        judgements ← overseer(queries)                           the only line that costs money
        M_prior, M_L ← fit(all judgements)
        z*, rivals ← search(M_prior + Σ_D M_L)                   warm from the last round
        audit: is the overseer's fresh judgement of z* what M_prior says it is?

Everything random comes from the seed and every judgement passes the ledger: the same rows and seed give the same z*.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, final

import numpy as np

from imitative import elicitation
from imitative.data import Labelled
from imitative.elicitation import Pair
from imitative.hypotheses.conditions import overlap
from imitative.hypotheses.statements import Hypothesis, Statement
from imitative.likelihood import LITERAL, Reading
from imitative.overseers.overseer import Archive, Ledger, OrderSwapped, Overseer, Record
from imitative.pool import build_pool
from imitative.posterior import Posterior
from imitative.prior import PriorModel, StatementPrior, TablePrior
from imitative.problem import Problem
from imitative.records import Judgement, Kind, Query
from imitative.scoring import Scorer
from imitative.search.exhaustive import Exhaustive
from imitative.search.search import Scored, probabilities, run
from imitative.search.sweeping import Sweeping
from imitative.search.tempering import Tempering
from imitative.settings import Settings
from imitative.traits import Encode, Traits

MANY = 30
"""Statements above which z is swept condition by condition: a slot at a time would take minutes, and an edit that
rereads all of z is no longer tried to polish it."""
DRAWS = 2
"""Draws of M_prior whose best hypotheses are considered when choosing what to ask."""
SAMPLE = 400
"""Questions of D′ on which hypotheses are compared when choosing what to ask: a share is known to within 0.025."""


class Survival(NamedTuple):
    """M_prior's score of z* against the overseer's fresh judgement of it.

    Args:
        model: what M_prior says z*'s statements add up to, over the hypotheses they were left out of, in nats.
        overseer: the same by the overseer's odds, asked for this alone.
        judgements: how many odds.
        tolerance: how large a gap is within their noise and M_prior's uncertainty, in nats.
    """

    model: float
    overseer: float
    judgements: int
    tolerance: float

    @property
    def gap(self) -> float:
        """model − overseer: positive where M_prior flatters z*."""
        return self.model - self.overseer

    @property
    def survived(self) -> bool:
        """Whether z* is as plausible to the overseer as the model claims."""
        return self.gap <= self.tolerance


class Guided(NamedTuple):
    """What people do to a round of the search besides judging.

    Args:
        starts: hypotheses they wrote: the search starts from them too, and each is scored.
        excluded: judges whose judgements no model is fitted to any more.
    """

    starts: tuple[Hypothesis, ...] = ()
    excluded: frozenset[str] = frozenset()


Guide = Callable[[int], Guided]
"""Asked once when a round begins, by its number; a round that is done again must be told the same."""


class Round(NamedTuple):
    """What a round did: for eyes, plots and the report."""

    number: int
    asked: int
    best: Hypothesis
    score: float
    audit: Survival | None


@final
@dataclass(frozen=True)
class State:
    """Where induction is: everything the next round needs."""

    prior: PriorModel
    reading: Reading
    found: tuple[Scored, ...] = ()
    rounds: tuple[Round, ...] = ()
    judgements: tuple[Judgement, ...] = ()
    finished: bool = False


class Progress(NamedTuple):
    """What a person watching wants to know."""

    stage: str
    round: int
    rounds: int
    asked: int
    budget: int
    cost: float
    best: str


@final
@dataclass(frozen=True, eq=False)
class Induced:
    """What Steps 1–3 give.

    Args:
        problem: what was asked.
        best: z*.
        found: z* and the runners-up with their scores, best first.
        probabilities: the posterior over `found`.
        prior, reading: M_prior and M_L as they last stood.
        posterior: the objective they make.
        rounds: what happened.
        ledger: every judgement used, and who answers the next.
        budget: judgements for the whole run, the transfer's included.
        settings: how they were spent.
        budget: how many judgements may be asked in all; what an archive holds was asked before and does not count.
        recorded: how many judgements an archive held.
        settings: how budget and time were spent.
        seconds: by stage.
    """

    problem: Problem
    best: Hypothesis
    found: tuple[Scored, ...]
    probabilities: np.ndarray[tuple[int], np.dtype[np.float64]]
    prior: PriorModel
    reading: Reading
    posterior: Posterior
    rounds: tuple[Round, ...]
    ledger: Ledger
    budget: int
    settings: Settings
    recorded: int = 0
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def left(self) -> int:
        """How many judgements may still be asked."""
        return max(0, self.budget - (self.ledger.asked_in_all - self.recorded))


@final
class Induction:
    """Steps 1–3 as init and step.

    Args:
        problem: D, D′, Z.
        ledger: who is asked, with memory and budget.
        budget: judgements for the whole run, transfer included.
        encode: the sentence encoder, or None.
        settings: how to spend.
        seed: of everything random.
        progress: told after every stage.
        traits: φ, where it was made before.
        guide: what people do to a round besides judging.
    """

    def __init__(
        self,
        problem: Problem,
        ledger: Ledger,
        budget: int,
        encode: Encode | None,
        settings: Settings,
        seed: int,
        progress: Callable[[Progress], None] | None = None,
        traits: Traits | None = None,
        guide: Guide | None = None,
    ) -> None:
        self.problem, self.ledger, self.settings, self.seed = problem, ledger, settings, seed
        self.budget = budget
        self.seconds: dict[str, float] = {}
        self._progress = progress
        self._guide, self._guided = guide, Guided()
        self._traits = None if problem.candidates else traits or Traits(problem.space, encode)
        rows = len(problem.labelled)
        chosen = np.random.default_rng(seed).permutation(rows)[: settings.most_rows]
        self._labelled = problem.labelled if rows <= settings.most_rows else problem.labelled.take(np.sort(chosen))
        self._evidence = settings.evidence * rows / len(self._labelled)
        elsewhere = np.random.default_rng([seed, 6]).permutation(len(problem.unlabelled))[:SAMPLE]
        self._sample = problem.unlabelled.take(np.sort(elsewhere))
        counts = np.bincount(problem.labelled.answers, minlength=len(problem.answers))
        self._default = problem.answers[int(counts.argmax())]
        self._for_induction = budget - round(settings.transfer_share * budget)

    # -- the loop ---------------------------------------------------------------------------------------------------

    async def init(self) -> State:
        """M_prior and M_L before the first question; an archive's judgements are all read at once."""
        if self._traits is None:
            return State(TablePrior.fit(self.problem.space.show, self._candidates, ()), LITERAL)
        judgements: tuple[Judgement, ...] = ()
        if isinstance(self.ledger.overseer, Archive):
            judgements = tuple(await self.ledger.judge(self.ledger.overseer.queries))
        with _Timer(self.seconds, "fit"):
            # Nobody chooses what to ask an archive: the first round's fit is the first that is needed.
            return State(self._fit((), self._rng(0)), LITERAL, judgements=judgements)

    async def step(self, state: State) -> State:
        """One round."""
        number = len(state.rounds)
        rng = self._rng(number + 1)
        if self._traits is None:
            return await self._finite(state, rng)
        with _Timer(self.seconds, "elicitation"):
            queries = self._queries(state, number, rng)
        fresh = await self._ask(queries, "asking", state)
        judgements = (*state.judgements, *fresh)
        self._guided = Guided() if self._guide is None else self._guide(number)
        with _Timer(self.seconds, "fit"):
            used = [j for j in judgements if j.judge not in self._guided.excluded]
            prior = self._fit(used, rng)
            reading = Reading.fit(self.problem.space, used)
        with _Timer(self.seconds, "search"):
            found = self._search(prior, reading, state.found, rng, last=number + 1 >= self._rounds)
        audit, audited = await self._audit(found[0].hypothesis, prior, number, state)
        ended = Round(number + 1, len(fresh) + len(audited), found[0].hypothesis, found[0].score, audit)
        settled = number > 0 and state.found[0].hypothesis == found[0].hypothesis
        rounds = (*state.rounds, ended)
        finished = len(rounds) >= self._rounds or (
            settled and audit is not None and audit.survived and audit.judgements > 0
        )
        # What an audit has said of this round's z* may teach the next round; the last round's audit teaches nobody.
        taught = judgements if finished else (*judgements, *audited)
        after = State(prior, reading, found, rounds, taught, finished)
        self._tell("round", after)
        return after

    def done(self, state: State) -> bool:
        """Whether z* survived, or everything meant for induction is spent."""
        return state.finished

    def posterior(self, state: State) -> Posterior:
        """The objective over all of D, as the state's models make it."""
        caution = self.settings.caution if self._traits is not None else 0.0
        return Posterior(self.problem.labelled, state.prior, state.reading, caution, self.settings.evidence)

    def search(self, state: State, rng: np.random.Generator) -> Scored:
        """The best hypothesis by the state's models, searched from nothing."""
        if self._traits is None:
            return run(Exhaustive(self._candidates, self.posterior(state).score), rng)[0]
        assert isinstance(state.prior, StatementPrior)
        return self._search(state.prior, state.reading, (), rng, last=False)[0]

    # -- asking -----------------------------------------------------------------------------------------------------

    @property
    def _rounds(self) -> int:
        """An archive has said all it will in the first round; one who is asked everything at once, too."""
        archive = isinstance(self.ledger.overseer, Archive)
        return self.settings.rounds if self.settings.ask_again and not archive else 1

    @property
    def _left(self) -> int:
        return self._for_induction - self.ledger.asked_in_all

    def _queries(self, state: State, number: int, rng: np.random.Generator) -> list[Query]:
        rounds_left = self._rounds - number
        reserve = self.problem.space.limits.statements if number + 1 < self._rounds else 0
        count = max(0, min(self._left, self._left // rounds_left - min(reserve, self._left // (4 * rounds_left))))
        if number + 1 == self._rounds:
            count = max(0, self._left - min(self.problem.space.limits.statements, self._left // 4))
        if isinstance(self.ledger.overseer, Archive) or count == 0:
            return []
        about_reading = round(self.settings.reading_share * count) if state.found else 0
        queries: list[Query] = []
        if about_reading:
            asked = Counter(self._reading_asked(state.judgements))
            found = elicitation.readings(
                state.found[0].hypothesis, self.problem.space, self.problem.unlabelled, asked, about_reading
            )
            queries = [query for query, _ in found]
        bets = self._bets(state, 2 if count >= 20 else 0)
        pairs = self._pairs(state, max(0, count - len(queries) - len(bets)), rng)
        return [*queries, *bets, *elicitation.as_queries(pairs, self.problem.space, rng)]

    def _pairs(self, state: State, count: int, rng: np.random.Generator) -> list[Pair]:
        """Which hypotheses to compare, none compared before."""
        assert isinstance(state.prior, StatementPrior)
        posterior = self._objective(state.prior, state.reading)
        around = [scored.hypothesis for scored in state.found[:5]]
        scorer = Scorer(posterior, build_pool(self.problem.space, posterior, self.problem.unlabelled, around))
        before = {frozenset(j.query.hypotheses) for j in state.judgements}
        pairs = elicitation.explore(scorer, self._default, 4 * count, rng)
        show = self.problem.space.show
        if not self.settings.active:
            fresh = [p for p in dict.fromkeys(pairs) if frozenset((show(p.first), show(p.second))) not in before]
            return [fresh[i] for i in rng.permutation(len(fresh))[:count]]
        found = state.found or self._search(state.prior, state.reading, (), rng, last=False)
        best = found[0].hypothesis
        rivals = self._rivals(state.prior, state.reading, best, scorer, rng)
        tables = (self._labelled.table, self._sample)
        logits, elsewhere = (state.reading.logits(table, best, self.problem.answers).T for table in tables)
        masks = np.array([state.reading.conditions(conditions, self._sample) for conditions in scorer.pool])
        hopefuls = elicitation.hopeful(best, logits, elsewhere, masks, scorer, 60)
        pairs += elicitation.around((found[0], *rivals, *found[1:]), hopefuls, scorer, rng)
        fresh = [p for p in dict.fromkeys(pairs) if frozenset((show(p.first), show(p.second))) not in before]
        # A z that is full takes a newcomer in the place of the statement it would miss least.
        spare = max(best.statements, key=lambda s: posterior.score(elicitation.without(best, s)), default=None)
        with_hope = [self._adopting(best, s, spare) for s in hopefuls]
        seen = [scored.hypothesis for scored in (*rivals, *found[:120])]
        candidates = list(dict.fromkeys([*seen, *with_hope]))
        return elicitation.choose(
            fresh, elicitation.Choice.among(candidates, posterior, self._sample), state.prior, count
        )

    def _rivals(
        self, prior: StatementPrior, reading: Reading, best: Hypothesis, scorer: Scorer, rng: np.random.Generator
    ) -> list[Scored]:
        """What would be best if M_prior were one of its own draws (Thompson): rivals that differ in several places.

        Doubting one statement may need believing another (*no smell is harmless* needs *green spores are not*), so
        single edits of z* do not show what hangs on what the overseer has not been asked.
        """
        rivals: list[Scored] = []
        for draw in rng.permutation(len(prior.draws))[:DRAWS]:
            posterior = Posterior(
                self._labelled, StatementPrior(prior.traits, prior.draws[draw]), reading, 0.0, self._evidence
            )
            slots = self.problem.space.limits.statements
            search = Tempering(Scorer(posterior, scorer.pool), slots, 4 * slots, (best,), (1.0,))
            rivals += run(search, rng)[:3]
        return rivals

    def _adopting(self, z: Hypothesis, statement: Statement, spare: Statement | None) -> Hypothesis:
        """z with the statement, without those it overlaps with, and without `spare` if it would be too long."""
        space = self.problem.space
        kept = [s for s in z.statements if not overlap(s.conditions, statement.conditions, space.feature)]
        if len(kept) >= space.limits.statements:
            kept = [s for s in kept if s != spare][: space.limits.statements - 1]
        return replace(z, statements=(*kept, statement))

    def _bets(self, state: State, count: int) -> list[Query]:
        """Reference bets on silence and z*, at the stakes nearest to even by the present M_prior."""
        best = [state.found[0].hypothesis] if state.found else []
        queries = []
        for z in [elicitation.silent(self._default), *best][:count]:
            heads = int(np.clip(round(-state.prior.log_prior(z) / np.log(2.0)), 1, 15))
            queries.append(Query(Kind.BET, (self.problem.space.show(z),), heads=heads, repeat=len(state.rounds)))
        return queries

    def _reading_asked(self, judgements: Sequence[Judgement]) -> list[tuple[str, str, str]]:
        asked = []
        for judgement in judgements:
            if judgement.query.kind is Kind.COMPARE_ANSWERS and judgement.query.question is not None:
                [statement] = self.problem.space.read(judgement.query.hypotheses[0]).statements
                [condition] = statement.conditions
                met = judgement.query.question.get(condition.feature)
                asked.append((condition.feature, condition.values[0], str(met)))
        return asked

    async def _ask(self, queries: Sequence[Query], stage: str, state: State) -> list[Judgement]:
        self._tell(stage, state)
        with _Timer(self.seconds, "asking"):
            return await self.ledger.judge(queries) if queries else []

    async def _audit(
        self, best: Hypothesis, prior: StatementPrior, number: int, state: State
    ) -> tuple[Survival | None, list[Judgement]]:
        """Odds of z* over z* without each of its statements: what M_prior says they add, by fresh judgements."""
        if isinstance(self.ledger.overseer, Archive):
            return None, []
        pairs = [Pair(best, elicitation.without(best, s)) for s in best.statements][: max(0, self._left)]
        space = self.problem.space
        queries = [elicitation.query_of(pair, space, Kind.ODDS, "audit", number) for pair in pairs]
        judgements = await self._ask(queries, "auditing", state)
        said = [(j, p) for j, p in zip(judgements, pairs, strict=True) if j.answer.ratio is not None]
        if not said:
            return None, judgements
        top = float(np.log(1000.0))  # the labelled scale ends here: beyond it neither side can say more
        model = np.array([np.clip(prior.log_prior(p.first) - prior.log_prior(p.second), -top, top) for _, p in said])
        heard = np.array([np.log(j.answer.ratio or 1.0) for j, _ in said])
        noise = prior.preference.odds_sd if prior.preference is not None else 1.0
        uncertain = float(np.nan_to_num(noise, nan=1.0)) * np.sqrt(len(said)) + prior.sd(best)
        return Survival(float(model.sum()), float(heard.sum()), len(said), float(max(1.0, uncertain))), judgements

    # -- fitting and searching --------------------------------------------------------------------------------------

    def _fit(self, judgements: Sequence[Judgement], rng: np.random.Generator) -> StatementPrior:
        assert self._traits is not None
        return StatementPrior.fit(self._traits, judgements, int(rng.integers(2**31)))

    def _objective(self, prior: StatementPrior, reading: Reading) -> Posterior:
        return Posterior(self._labelled, prior, reading, self.settings.caution, self._evidence)

    def _search(
        self, prior: StatementPrior, reading: Reading, before: tuple[Scored, ...], rng: np.random.Generator, last: bool
    ) -> tuple[Scored, ...]:
        posterior = self._objective(prior, reading)
        written = self._guided.starts
        starts = (*(scored.hypothesis for scored in before[:3]), *written)
        slots = self.problem.space.limits.statements
        found: tuple[Scored, ...] = ()
        # Two passes: the first finds what to pair into conjunctions, the second may use them.
        for steps in (self.settings.steps // 2, self.settings.steps * (2 if last else 1) - self.settings.steps // 2):
            scorer = Scorer(posterior, build_pool(self.problem.space, posterior, self.problem.unlabelled, starts))
            if slots > MANY:
                found = run(Sweeping(scorer, slots, start=starts[:1]), rng)
            else:
                found = run(Tempering(scorer, slots, steps, starts), rng)
            starts = tuple(scored.hypothesis for scored in found[:3])
            if slots > MANY and self.problem.space.limits.conditions == 1:
                break
        polished = [] if slots > MANY else self._polish(found[0].hypothesis, posterior)
        exact = [
            Scored(z, posterior.score(z))
            for z in dict.fromkeys([*polished, *written, *(s.hypothesis for s in found[:100])])
        ]
        return tuple(sorted(exact, key=lambda scored: (-scored.score, self.problem.space.show(scored.hypothesis))))

    def _polish(self, best: Hypothesis, posterior: Posterior) -> list[Hypothesis]:
        """Climb by the readable edits the pool does not hold (widen, narrow, split) until none is better."""
        path, score = [best], posterior.score(best)
        for _ in range(20):
            near = [n.hypothesis for n in self.problem.space.refinements(path[-1])]
            scores = [posterior.score(z) for z in near]
            if not scores or max(scores) <= score + 1e-9:
                break
            score = max(scores)
            path.append(near[int(np.argmax(scores))])
        return path

    # -- a finite Z -------------------------------------------------------------------------------------------------

    @property
    def _candidates(self) -> tuple[Hypothesis, ...]:
        assert self.problem.candidates is not None
        return self.problem.candidates

    async def _finite(self, state: State, rng: np.random.Generator) -> State:
        """Every member of Z against the first, by odds; then all of Z is scored."""
        first, *others = self._candidates
        space = self.problem.space
        repeats = max(1, self._left // max(1, len(others))) if not self.settings.exact else 1
        queries = [
            elicitation.query_of(Pair(z, first), space, Kind.ODDS, repeat=repeat)
            for repeat in range(repeats)
            for z in others
        ][: max(0, self._left)]
        judgements = tuple(await self._ask(queries, "asking", state))
        prior = TablePrior.fit(space.show, self._candidates, judgements, exact=self.settings.exact)
        posterior = Posterior(self.problem.labelled, prior, LITERAL, 0.0, self.settings.evidence)
        with _Timer(self.seconds, "search"):
            found = run(Exhaustive(self._candidates, posterior.score), rng)
        ended = Round(1, len(judgements), found[0].hypothesis, found[0].score, None)
        return State(prior, LITERAL, found, (ended,), judgements, True)

    # -- odds and ends ----------------------------------------------------------------------------------------------

    def _rng(self, round_number: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, round_number])

    def _tell(self, stage: str, state: State) -> None:
        if self._progress is not None:
            best = self.problem.space.show(state.found[0].hypothesis) if state.found else ""
            asked = self.ledger.asked_in_all
            self._progress(
                Progress(stage, len(state.rounds) + 1, self._rounds, asked, self.budget, self.ledger.cost, best)
            )


def induce(
    problem: Problem,
    overseer: Overseer,
    *,
    seed: int = 0,
    budget: int = 300,
    known: Mapping[str, Judgement] | None = None,
    record: Record | None = None,
    progress: Callable[[Progress], None] | None = None,
    encode: Encode | None = None,
    settings: Settings | None = None,
    guide: Guide | None = None,
) -> Induced:
    """Find z*: what people would believe had they seen D.

    Args:
        problem: D, D′, the question, Z.
        overseer: who judges.
        seed: of everything random; the same seed and the same judgements give the same z*.
        budget: how many judgements may be asked in all, the transfer's included.
        known: judgements from before, by `Query.key`: they are not asked again.
        record: called with each new judgement before it is used.
        progress: called after every stage.
        encode: the sentence encoder that gives words a meaning to M_prior; None: none.
        settings: how budget and time are spent.
        guide: what people do to a round besides judging.

    Raises:
        ValueError: for a budget below 1.
    """
    return asyncio.run(
        ainduce(
            problem,
            overseer,
            seed=seed,
            budget=budget,
            known=known,
            record=record,
            progress=progress,
            encode=encode,
            settings=settings,
            guide=guide,
        )
    )


async def ainduce(
    problem: Problem,
    overseer: Overseer,
    *,
    seed: int = 0,
    budget: int = 300,
    known: Mapping[str, Judgement] | None = None,
    record: Record | None = None,
    progress: Callable[[Progress], None] | None = None,
    encode: Encode | None = None,
    settings: Settings | None = None,
    guide: Guide | None = None,
) -> Induced:
    """`induce` for callers that already run an event loop."""
    if budget < 1:
        raise ValueError(f"the budget is how many judgements may be asked: at least 1, found {budget}")
    settings = settings or Settings()
    ledger = Ledger(overseer if isinstance(overseer, Archive) else OrderSwapped(overseer, seed), known, record)
    started = time.perf_counter()
    induction = Induction(problem, ledger, budget, encode, settings, seed, progress, guide=guide)
    induction.seconds["set-up"] = time.perf_counter() - started
    state = await induction.init()
    while not induction.done(state):
        state = await induction.step(state)
    posterior = induction.posterior(state)
    exact = tuple(Scored(s.hypothesis, posterior.score(s.hypothesis)) for s in state.found[:50])
    found = tuple(sorted(exact, key=lambda scored: -scored.score))
    return Induced(
        problem,
        found[0].hypothesis,
        found,
        probabilities(found),
        state.prior,
        state.reading,
        posterior,
        state.rounds,
        ledger,
        budget,
        settings,
        len(overseer.queries) if isinstance(overseer, Archive) else 0,
        induction.seconds,
    )


def induce_again(induced: Induced, labelled: Labelled, seed: int) -> Hypothesis:
    """z* of other rows of D, by the M_prior and M_L already learned; nobody is asked.

    For the accuracy on held-out rows: `labelled` is D without them.
    """
    problem = replace(induced.problem, labelled=labelled)
    ledger = Ledger(induced.ledger.overseer)
    again = Induction(problem, ledger, 0, None, induced.settings, seed, traits=getattr(induced.prior, "traits", None))
    state = State(induced.prior, induced.reading)
    return again.search(state, np.random.default_rng([seed, 5])).hypothesis


class _Timer:
    """Adds the time spent inside to `seconds[stage]`."""

    def __init__(self, seconds: dict[str, float], stage: str) -> None:
        self._seconds, self._stage = seconds, stage

    def __enter__(self) -> None:
        self._start = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self._seconds[self._stage] = self._seconds.get(self._stage, 0.0) + time.perf_counter() - self._start
