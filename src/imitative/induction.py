"""Steps 1–3: elicit, fit, search, and elicit again where the search now is, until z* survives a fresh audit.

    state ← init(problem)
    while not done(state):
        queries   ← what is worth asking                         agenda, elicitation
        judgements ← overseer(queries)                           the only line that costs money
        M_prior, M_L ← fit(all judgements)
        z*, rivals ← search(M_prior + Σ_D M_L)                   search, warm from the last round
        audit: is the overseer's fresh judgement of z* what M_prior says it is?      survival

Everything random comes from the seed and every judgement passes the ledger: the same rows and seed give the same z*.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, final

import numpy as np

from imitative.data import Labelled
from imitative.elicitation.agenda import Agenda, Known, Plan, refused_by
from imitative.elicitation.pairs import Pair, query_of
from imitative.guidance import Guide, Guided
from imitative.hypotheses.statements import Hypothesis
from imitative.likelihood import LITERAL, Reading
from imitative.outlay import Outlay, Timer
from imitative.overseers.overseer import Archive, Judging, Ledger, OrderSwapped, Overseer, Record
from imitative.posterior import Posterior
from imitative.preference import Preference
from imitative.prior import PriorModel, StatementPrior, TablePrior
from imitative.problem import Problem
from imitative.records import Judgement, Kind, Query
from imitative.search.exhaustive import Exhaustive
from imitative.search.search import Scored, probabilities, run
from imitative.search.statements import find_statements
from imitative.settings import Settings
from imitative.streams import Stream, generator
from imitative.survival import Survival, leave_one_out
from imitative.traits import Encode, Traits
from imitative.waiting import waited

SETTLED = 0.01
"""The share of D′ still undecided below which a z* that stands is audited, and nothing more asked if it survives."""
AUDITS = 3
"""Audits that must still be affordable for another round without one: what an audit finds implausible is heard by
M_prior, and need not stay in z*."""


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
    fitted: Preference | None = None  # what M_prior has learned of the judges, too
    recorded: int = 0  # of those asked: what an archive held, which no budget counts

    @classmethod
    def of(
        cls, ledger: Ledger, budget: int, stage: str, best: str, at: tuple[int, int], fitted: Preference | None = None
    ) -> Progress:
        """What a ledger says, `at` a round of so many."""
        number, rounds = at
        return cls(stage, number, rounds, ledger.asked_in_all, budget, ledger.cost, best, fitted, ledger.recorded)


@final
@dataclass(frozen=True, eq=False)
class Induced(Outlay):
    """What Steps 1–3 give, beside what they spent (`outlay.Outlay`).

    Args:
        problem: what was asked.
        best: z*.
        found: z* and the runners-up with their scores, best first.
        probabilities: the posterior over `found`.
        prior, reading: M_prior and M_L as they last stood.
        posterior: the objective they make.
        rounds: what happened.
    """

    problem: Problem
    best: Hypothesis
    found: tuple[Scored, ...]
    probabilities: np.ndarray[tuple[int], np.dtype[np.float64]]
    prior: PriorModel
    reading: Reading
    posterior: Posterior
    rounds: tuple[Round, ...]


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
        chosen = generator(seed, Stream.ROWS).permutation(rows)[: settings.most_rows]
        self._labelled = problem.labelled if rows <= settings.most_rows else problem.labelled.take(np.sort(chosen))
        self._evidence = settings.evidence * rows / max(1, len(self._labelled))
        for_induction = budget - round(settings.transfer_share * budget)
        self._agenda = Agenda(problem, self._labelled, self._evidence, settings, for_induction, seed)

    # -- the loop ---------------------------------------------------------------------------------------------------

    async def init(self) -> State:
        """M_prior and M_L before the first question; an archive's judgements are all read at once."""
        judgements: tuple[Judgement, ...] = ()
        if isinstance(self.ledger.overseer, Archive):
            judgements = tuple(await self.ledger.judge(self.ledger.overseer.queries))
        if self._traits is None:
            prior = TablePrior.fit(self.problem.space.show, self._candidates, ())
            return State(prior, LITERAL, judgements=judgements)
        with Timer(self.seconds, "fit"):
            # Nobody chooses what to ask an archive: the first round's fit is the first that is needed.
            return State(self._fit((), self._rng(0)), LITERAL, judgements=judgements)

    async def step(self, state: State) -> State:
        """One round."""
        number = len(state.rounds)
        rng = self._rng(number + 1)
        if self._traits is None:
            return await self._finite(state, rng)
        assert isinstance(state.prior, StatementPrior)
        with Timer(self.seconds, "elicitation"):
            known = Known(state.prior, state.reading, state.found, state.judgements)
            archive = isinstance(self.ledger.overseer, Archive)
            plan = Plan([]) if archive else self._agenda.plan(known, self._left, self._last(number), rng)
        fresh = await self._ask(plan.queries, "asking", state)
        judgements = (*state.judgements, *fresh)
        self._guided = Guided() if self._guide is None else self._guide(number)
        with Timer(self.seconds, "fit"):
            used = [j for j in self._guided.split(judgements) if j.judge not in self._guided.excluded]
            prior = self._fit(used, rng)
            reading = Reading.fit(self.problem.space, used, _discrimination(prior))
        last = self._last(number) or self._left <= self._agenda.reserve
        with Timer(self.seconds, "search"):
            found = self._search(prior, reading, state.found, rng, last)
        settled = number > 0 and state.found[0].hypothesis == found[0].hypothesis and plan.undecided < SETTLED
        audit, audited = None, list[Judgement]()
        if settled or last or self._left <= AUDITS * self._agenda.reserve:
            audit, audited = await self._audit(found[0].hypothesis, prior, number, state)
        ended = Round(number + 1, len(fresh) + len(audited), found[0].hypothesis, found[0].score, audit)
        rounds = (*state.rounds, ended)
        # A z* that says nothing has nothing that could be found implausible.
        survived = settled and (not found[0].hypothesis.statements or (audit is not None and audit.survived))
        # What an audit has said of this round's z* teaches the next round. A z* that the last audit refutes is not what
        # the judgements in hand speak for: it is sought once more, with whatever is left of the budget.
        refuted = audit is not None and not audit.survived and self.settings.ask_again
        once_more = refuted and number < self._rounds and bool(plan.queries)
        finished = survived or (last and not once_more)
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

    def _last(self, number: int) -> bool:
        return number + 1 >= self._rounds

    @property
    def _left(self) -> int:
        """Judgements left for Steps 1–3."""
        return self._agenda.budget - self.ledger.asked_in_all

    async def _ask(self, queries: Sequence[Query], stage: str, state: State) -> list[Judgement]:
        self._tell(stage, state)
        with Timer(self.seconds, "asking"):
            return await self.ledger.judge(queries) if queries else []

    async def _audit(
        self, best: Hypothesis, prior: StatementPrior, number: int, state: State
    ) -> tuple[Survival | None, list[Judgement]]:
        """Odds of z* over z* without each of its statements: what M_prior says they add, by fresh judgements. Where too
        few are left for all, those that M_prior says most of.
        """
        if isinstance(self.ledger.overseer, Archive) or Kind.ODDS in refused_by(state.judgements):
            return None, []
        added = {pair: prior.log_prior(pair.first) - prior.log_prior(pair.second) for pair in leave_one_out(best)}
        pairs = list(added)
        if len(pairs) > self._left:
            pairs = sorted(pairs, key=lambda pair: -abs(added[pair]))[: max(0, self._left)]
        queries = [query_of(pair, self.problem.space, Kind.ODDS, "audit", number) for pair in pairs]
        judgements = await self._ask(queries, "auditing", state)
        expected = [added[pair] for pair in pairs]
        return Survival.of(expected, judgements, prior.preference, prior.sd(best)), judgements

    # -- fitting and searching --------------------------------------------------------------------------------------

    def _fit(self, judgements: Sequence[Judgement], rng: np.random.Generator) -> StatementPrior:
        assert self._traits is not None
        return StatementPrior.fit(self._traits, judgements, int(rng.integers(2**31)))

    def _search(
        self, prior: StatementPrior, reading: Reading, before: tuple[Scored, ...], rng: np.random.Generator, last: bool
    ) -> tuple[Scored, ...]:
        posterior, space = self._agenda.objective(prior, reading), self.problem.space
        written = sorted(map(space.read, self._guided.written), key=posterior.score, reverse=True)
        starts = [*(scored.hypothesis for scored in before[:3]), *written]
        steps = self.settings.steps * (2 if last else 1)
        found = find_statements(posterior, space, self.problem.unlabelled, starts, steps, rng)
        if fresh := set(written) - {scored.hypothesis for scored in found}:
            every = [*found, *(Scored(z, posterior.score(z)) for z in fresh)]
            found = tuple(sorted(every, key=lambda scored: (-scored.score, space.show(scored.hypothesis))))
        return found

    # -- a finite Z -------------------------------------------------------------------------------------------------

    @property
    def _candidates(self) -> tuple[Hypothesis, ...]:
        assert self.problem.candidates is not None
        return self.problem.candidates

    async def _finite(self, state: State, rng: np.random.Generator) -> State:
        """Every member of Z against the first, by odds, unless an archive has spoken; then all of Z is scored."""
        first, *others = self._candidates
        space = self.problem.space
        repeats = max(1, self._left // max(1, len(others))) if not self.settings.exact else 1
        queries = [
            query_of(Pair(z, first), space, Kind.ODDS, repeat=repeat) for repeat in range(repeats) for z in others
        ][: max(0, self._left)]
        archive = isinstance(self.ledger.overseer, Archive)
        fresh = await self._ask([] if archive else queries, "asking", state)
        judgements = (*state.judgements, *fresh)
        prior = TablePrior.fit(space.show, self._candidates, judgements, exact=self.settings.exact)
        posterior = Posterior(self.problem.labelled, prior, LITERAL, 0.0, self.settings.evidence)
        with Timer(self.seconds, "search"):
            found = run(Exhaustive(self._candidates, posterior.score), rng)
        ended = Round(1, len(fresh), found[0].hypothesis, found[0].score, None)
        return State(prior, LITERAL, found, (ended,), judgements, True)

    # -- odds and ends ----------------------------------------------------------------------------------------------

    def _rng(self, round_number: int) -> np.random.Generator:
        return generator(self.seed, Stream.ROUNDS, round_number)

    def _tell(self, stage: str, state: State) -> None:
        if self._progress is not None:
            best = self.problem.space.show(state.found[0].hypothesis) if state.found else ""
            fitted = state.prior.preference if isinstance(state.prior, StatementPrior) else None
            number = len(state.rounds) + (stage != "round")  # which is told when it has ended
            at = number, max(number, self._rounds)  # one more than the most, where the last audit refuted z*
            self._progress(Progress.of(self.ledger, self.budget, stage, best, at, fitted))


def _discrimination(prior: StatementPrior) -> float:
    """β of those who judge, as far as M_prior's fit knows it."""
    fitted = prior.preference
    return fitted.population.discrimination if fitted is not None and fitted.scale.identified else 1.0


def refuse_empty(problem: Problem, budget: int) -> None:
    """What a run cannot begin with.

    Raises:
        ValueError: for a budget below 1, a D′ without a row, or a D without one where Z is to be searched.
    """
    if budget < 1:
        raise ValueError(f"the budget is how many judgements may be asked: at least 1, found {budget}")
    if len(problem.unlabelled) == 0:
        raise ValueError("the problem's unlabelled has no rows: give the questions of D′, which are to be labelled")
    if len(problem.labelled) == 0 and problem.candidates is None:
        raise ValueError("the problem's labelled has no rows: give the questions of D with their answers")


def induce(
    problem: Problem,
    overseer: Overseer | Judging,
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
        ValueError: for a budget below 1, a D′ without a row, or a D without one where Z is to be searched.
    """
    return waited(
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
    overseer: Overseer | Judging,
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
    refuse_empty(problem, budget)
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
        ledger=ledger,
        budget=budget,
        settings=settings,
        seconds=induction.seconds,
    )


def induce_again(induced: Induced, labelled: Labelled, seed: int) -> Hypothesis:
    """z* of other rows of D, by the M_prior and M_L already learned; nobody is asked.

    For the accuracy on held-out rows: `labelled` is D without them.
    """
    problem = replace(induced.problem, labelled=labelled)
    ledger = Ledger(induced.ledger.overseer)
    again = Induction(problem, ledger, 0, None, induced.settings, seed, traits=getattr(induced.prior, "traits", None))
    state = State(induced.prior, induced.reading)
    return again.search(state, generator(seed, Stream.AGAIN)).hypothesis
