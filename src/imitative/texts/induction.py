"""Steps 1–3 over free text: propose, elicit, fit, select, and again where the search now is.

    pool ← {}
    repeat, until z* survives an audit or the budget is spent:
        pool    ← pool + accept(proposer(what z* fails on, what people find hard to believe))
        queries ← where M_prior and M_L are least sure of what matters
        M_prior, M_L ← fit(all judgements)
        z*, rivals   ← select(pool)                                     search/sections.py
        audit: odds of z* over z* without each of its sections, of a single one over its rivals;
               one that refutes the last z* is heard once more

The models, the search and the space are those of texts; ledger, settings, rounds and audits are those of statements.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from imitative.data import Floats
from imitative.errors import InputError
from imitative.guidance import Guide, Guided
from imitative.hypotheses.text import TextHypothesis
from imitative.induction import SETTLED, Progress, refuse_empty
from imitative.outlay import Outlay, Timer
from imitative.overseers.overseer import Archive, Ledger, OrderSwapped, Overseer, Record
from imitative.overseers.prompts import suspicious
from imitative.records import Example, Judgement, Kind, Query, Question
from imitative.search.sections import Pool, ScoredText, Sections, twins
from imitative.settings import Settings
from imitative.streams import Stream, generator
from imitative.survival import Survival
from imitative.texts.agenda import Known, TextAgenda
from imitative.texts.judges import Judges
from imitative.texts.prior import OWN_VARIANCE, TextPrior, TextTraits
from imitative.texts.problem import TextProblem
from imitative.texts.proposing import Proposal, Proposer, Situation, accept
from imitative.texts.reading import SPEAKS, Lexicon, TextReading
from imitative.traits import Encode
from imitative.waiting import waited

WANTED = 24
"""Sections asked of the proposer each round."""
ELSEWHERE_ITEMS = 24
"""Questions of D′ that the proposer is shown in a round, a dozen to a call."""
WRITTEN, RECORDED = "written by people", "recorded"
"""The moves of sections that judges wrote themselves, and that an archive holds judgements of."""
MOST_ROUNDS = 12
"""Each round writes and reads a pool of sections anew: after a dozen, proposals are near copies of what is known."""
LEAST_A_ROUND = 12
"""Judgements: of fewer a round learns less than its proposals and its search are worth."""
RIVALS = 50
"""Texts that z* is compared with when choosing what to ask."""
AUDITED_RIVALS = 3
"""That a z* of one section, which leaves nothing to compare with without it, is audited against."""
JUDGED = 200
"""Sections that an archive's judges spoke of, the most spoken of first, which may be said beside what is proposed."""
DRAWS = 8
"""Of M_prior, whose best texts are sought to see what is undecided."""
ALIKE = 3
"""Rounds before this one whose z* must be the same for induction to stop before the budget is spent."""
MOST_ROWS = 4000
"""Rows of D the search scores on; the rest is known by its share."""


class TextRound(NamedTuple):
    """What a round did: for eyes, plots and the report."""

    number: int
    asked: int
    best: TextHypothesis
    score: float
    audit: Survival | None
    proposed: int
    refused: Mapping[str, int]


@final
@dataclass(frozen=True)
class TextState:
    """Where induction is."""

    prior: TextPrior
    reading: TextReading
    pool: tuple[str, ...] = ()
    found: tuple[ScoredText, ...] = ()
    rounds: tuple[TextRound, ...] = ()
    judgements: tuple[Judgement, ...] = ()
    finished: bool = False


@final
@dataclass(frozen=True, eq=False)
class TextInduced(Outlay):
    """What Steps 1–3 give; fields as in `induction.Induced`, the pool that was searched, who judged it, and what of
    their judgements M_prior and M_L were fitted to.
    """

    text: TextProblem
    best: TextHypothesis
    found: tuple[ScoredText, ...]
    probabilities: Floats
    prior: TextPrior
    reading: TextReading
    rounds: tuple[TextRound, ...]
    pool: Pool
    judges: Judges | None = None
    heard: tuple[Judgement, ...] = ()


@final
class TextInduction:
    """Steps 1–3 as init and step.

    Args:
        text: the problem.
        ledger: who is asked.
        proposer: who writes.
        budget: judgements for the whole run, the transfer's included.
        encode: the sentence encoder, or None.
        settings: how to spend.
        seed: of everything random.
        progress: told after every stage.
        judges: what M_prior and M_L are made of instead of the sentence encoder.
        guide: what people do to a round besides judging.
    """

    def __init__(
        self,
        text: TextProblem,
        ledger: Ledger,
        proposer: Proposer,
        budget: int,
        encode: Encode | None,
        settings: Settings,
        seed: int,
        progress: Callable[[Progress], None] | None = None,
        judges: Judges | None = None,
        guide: Guide | None = None,
    ) -> None:
        self.judges, self._guide, self._guided = judges, guide, Guided()
        encode = encode if judges is None else judges.encode
        self.text, self.ledger, self.proposer, self.budget = text, ledger, proposer, budget
        self.settings, self.seed, self._encode, self._progress = settings, seed, encode, progress
        self.seconds: dict[str, float] = {}
        problem = text.problem
        self.lexicon = Lexicon(problem.space, encode, problem.labelled.table, None if judges is None else judges.reads)
        rows = np.sort(np.random.default_rng(seed).permutation(len(problem.labelled))[:MOST_ROWS])
        self._labelled = problem.labelled.take(rows)
        self._evidence = settings.evidence * len(problem.labelled) / len(rows)
        self._holds = self.lexicon.holds(self._labelled.table)
        self._showable = np.array([not suspicious(self._labelled.table.row(row)) for row in range(len(rows))])
        elsewhere = generator(seed, Stream.COMPARED).permutation(len(problem.unlabelled))[:400]
        sample = problem.unlabelled.take(np.sort(elsewhere))
        self._agenda = TextAgenda(text, self.lexicon, sample, encode is not None, settings.active)
        self._for_induction = budget - round(settings.transfer_share * budget)
        # What is left to say where nobody proposes anything.
        self._bare = tuple(f"By default, {clause} (slight evidence)." for clause in problem.spoken.values())
        words = min(len(section.split()) for section in self._bare)
        if words > text.space.max_words:
            most, least = f"{text.space.max_words} words", f"at least {words}, as many as an answer by default takes"
            raise InputError("space.max_words", most, least, "raise it: a sentence takes ten to twenty")

    # -- the loop ---------------------------------------------------------------------------------------------------

    async def init(self) -> TextState:
        """M_prior and M_L before the first question; an archive's judgements are all read at once."""
        judgements: tuple[Judgement, ...] = ()
        if isinstance(self.ledger.overseer, Archive):
            judgements = tuple(await self.ledger.judge(self.ledger.overseer.queries))
        prior, reading = self._fit((), judgements, 0)
        return TextState(prior, reading, judgements=judgements)

    async def step(self, state: TextState) -> TextState:
        """One round."""
        number, rng = len(state.rounds), generator(self.seed, Stream.TEXT_ROUNDS + len(state.rounds))
        # Once all is asked, a last audit is heard: nothing is written any more, which nobody could be asked about.
        hearing = bool(state.pool) and (number >= self._rounds or self._spent)
        with Timer(self.seconds, "proposing"):
            proposals = [] if hearing else await self._propose(state, rng)
            self._guided = Guided() if self._guide is None else self._guide(number)
            written = [Proposal(section, WRITTEN) for text in self._guided.written for section in self._sections(text)]
            recorded = [Proposal(section, RECORDED) for section in self._recorded(state)]
            accepted = accept(self.text, [*written, *recorded, *proposals], state.pool)
        pool = (*state.pool, *(proposal.section for proposal in accepted.sections))
        if not pool:
            pool = self._bare
        fresh = [] if hearing else await self._elicit(state, pool, rng)
        judgements = (*state.judgements, *fresh)
        with Timer(self.seconds, "fit"):
            prior, reading = self._fit(pool, judgements, number + 1)
        with Timer(self.seconds, "search"):
            found = self._search(pool, prior, reading, state.found, rng)
        # Two rounds alike say little: the second may only have found nothing new to write.
        before = [ended.best for ended in state.rounds[-ALIKE:]]
        alike = len(before) == ALIKE and all(best == found[0].hypothesis for best in before)
        settled = alike and self._undecided(pool, prior, reading, found[0].hypothesis) < SETTLED
        last = hearing or number + 1 >= self._rounds or self._spent
        audit, audited = None, list[Judgement]()
        if settled or last:
            audit, audited = await self._audit([scored.hypothesis for scored in found], prior, number, state)
        ended = TextRound(
            number + 1, len(fresh) + len(audited), found[0].hypothesis, found[0].score, audit,
            len(accepted.sections), dict(accepted.refused),
        )  # fmt: skip
        rounds = (*state.rounds, ended)
        survived = settled and audit is not None and audit.survived and audit.judgements > 0
        # A z* that the last audit refutes is sought once more, with what the audit said, as over statements.
        refuted = audit is not None and not audit.survived and self.settings.ask_again
        finished = survived or (last and (hearing or not refuted))
        taught = judgements if finished else (*judgements, *audited)
        after = TextState(prior, reading, pool, found, rounds, taught, finished)
        self._tell("round", after)
        return after

    def done(self, state: TextState) -> bool:
        """Whether z* survived, or everything meant for induction is spent."""
        return state.finished

    # -- proposing ---------------------------------------------------------------------------------------------------

    async def _propose(self, state: TextState, rng: np.random.Generator) -> list[Proposal]:
        self._tell("proposing", state)
        return await self.proposer.propose(self._situation(state, rng), state.prior, state.reading, rng)

    def _recorded(self, state: TextState) -> list[str]:
        """What an archive's judges were asked about may be said: the first time."""
        if state.rounds or not isinstance(self.ledger.overseer, Archive):
            return []
        spoken = Counter(self._judged(self._heard(state.judgements)))
        return [section for section, _ in spoken.most_common(JUDGED)]

    def _situation(self, state: TextState, rng: np.random.Generator) -> Situation:
        best = state.found[0].hypothesis if state.found else None
        labelled = self._labelled
        log_p = state.reading.log_probabilities(labelled.table, best or TextHypothesis(()), labelled.names)
        said, right = log_p[np.arange(len(labelled)), labelled.answers], log_p.argmax(axis=1) == labelled.answers
        order = np.argsort(said + 0.1 * rng.gumbel(size=len(said)), kind="stable")
        order = order[self._showable[order]]
        shown = min(max(12, len(order) // 4), max(1, len(order) // 2))  # of few, none as both well and badly answered
        well = order[len(order) - shown :]
        hard = (
            [] if best is None else [s for s in best.sections if state.prior.worth(s) < min(0.0, state.prior.usual(s))]
        )
        return Situation(
            self.text,
            best,
            [scored.hypothesis for scored in state.found[1:6]],
            self._examples(order[:shown], rng),
            self._examples(well[right[well]], rng) if best is not None else [],
            sorted(hard, key=state.prior.worth),
            WANTED,
            len(state.rounds),
            self._elsewhere(state, rng),
        )

    def _elsewhere(self, state: TextState, rng: np.random.Generator) -> list[Question]:
        """Two dozen questions of D′: what holds of them and of no row of D, and no section speaks of yet, comes first.

        Where there is nothing of the kind, at random. None that speaks to whoever writes.
        """
        said = np.zeros(self.lexicon.size, dtype=bool)
        for section in state.pool:
            said |= np.abs(self.lexicon.literal(section)).max(axis=1) > SPEAKS
        new = np.asarray(self._holds.sum(axis=0)) == 0.0
        holds = self.lexicon.holds(self._agenda.sample).toarray()
        weight = holds.mean(axis=0) * (new & ~said)
        left = np.array([not suspicious(self._agenda.sample.row(row)) for row in range(len(holds))])
        found: list[Question] = []
        while left.any() and len(found) < ELSEWHERE_ITEMS:
            row = int(np.argmax(np.where(left, holds @ weight + 1e-3 * rng.random(len(left)), -1.0)))
            weight, left[row] = weight * (1.0 - holds[row]), False
            found.append(self._agenda.sample.row(row))
        return found

    def _examples(self, rows: NDArray[np.int64], rng: np.random.Generator) -> list[Example]:
        """A dozen of the rows, of every answer in turn where there are such."""
        by_answer: dict[int, list[int]] = {}
        for row in rng.permutation(rows):
            by_answer.setdefault(int(self._labelled.answers[row]), []).append(int(row))
        turns = [row for rank in range(12) for rows_of in by_answer.values() for row in rows_of[rank : rank + 1]]
        return [self._labelled.example(row) for row in turns[:12]]

    # -- asking ------------------------------------------------------------------------------------------------------

    @property
    def _rounds(self) -> int:
        most = min(self.settings.rounds, MOST_ROUNDS)
        return max(1, min(most, self._for_induction // LEAST_A_ROUND)) if self._asks else most

    @property
    def _spent(self) -> bool:
        """Whether what is left buys no more than an audit, and rounds were to ask."""
        return self._asks and self._left <= self._audit_costs

    @property
    def _asks(self) -> bool:
        """Whether later rounds ask."""
        return self.settings.ask_again and not isinstance(self.ledger.overseer, Archive)

    @property
    def _audit_costs(self) -> int:
        return max(self.text.space.sections, AUDITED_RIVALS)

    @property
    def _left(self) -> int:
        return max(0, self._for_induction - self.ledger.asked_in_all)

    async def _elicit(self, state: TextState, pool: Sequence[str], rng: np.random.Generator) -> list[Judgement]:
        """What is said of the pool, asked by what M_prior and M_L do not know yet."""
        with Timer(self.seconds, "fit"):
            prior, reading = self._fit(pool, state.judgements, len(state.rounds))
        with Timer(self.seconds, "elicitation"):
            queries = self._queries(state, pool, prior, reading, rng)
        return await self._ask(queries, "asking", state)

    def _queries(
        self, state: TextState, pool: Sequence[str], prior: TextPrior, reading: TextReading, rng: np.random.Generator
    ) -> list[Query]:
        number = len(state.rounds)
        asks_later = self.settings.ask_again or number == 0
        if isinstance(self.ledger.overseer, Archive) or not asks_later or self._left == 0:
            return []
        rounds_left = self._rounds - number if self.settings.ask_again else 1
        reserve = min(self._left // 4, self._audit_costs)
        count = max(0, (self._left - reserve) // max(1, rounds_left))
        best = state.found[0].hypothesis if state.found else None
        rivals = [scored.hypothesis for scored in state.found[1:RIVALS]]
        known = Known(prior, reading, self._pool(pool, prior, reading), best, rivals, state.judgements, number)
        return self._agenda.queries(known, count, rng)

    async def _ask(self, queries: Sequence[Query], stage: str, state: TextState) -> list[Judgement]:
        self._tell(stage, state)
        with Timer(self.seconds, "asking"):
            return await self.ledger.judge(queries) if queries else []

    async def _audit(
        self, found: Sequence[TextHypothesis], prior: TextPrior, number: int, state: TextState
    ) -> tuple[Survival | None, list[Judgement]]:
        """Odds of z* over z* without each of its sections: what M_prior says they add, by fresh judgements.

        A z* of one section is compared with the best that say something else.
        """
        if isinstance(self.ledger.overseer, Archive):
            return None, []
        best, show = found[0], self.text.space.show
        others = [best.without(i) for i in range(len(best.sections))]
        if len(others) == 1:
            others = [z for z in found[1:] if not {*best.sections} & {*z.sections}][:AUDITED_RIVALS]
        others = others[: self._left]
        if not others:
            return None, []
        queries = [Query(Kind.ODDS, (show(best), show(z)), purpose="audit", repeat=number) for z in others]
        judgements = await self._ask(queries, "auditing", state)
        drawn = [prior.drawn(best) - prior.drawn(z) for z in others]
        expected = [prior.log_prior(best) - prior.log_prior(z) for z in others]
        doubt = float(np.std(np.sum(drawn, axis=0)))
        return Survival.of(expected, judgements, prior.preference, doubt), judgements

    # -- fitting and searching ---------------------------------------------------------------------------------------

    def _fit(self, pool: Sequence[str], heard: Sequence[Judgement], number: int) -> tuple[TextPrior, TextReading]:
        judgements = self._heard(heard)
        judged = self._judged(judgements)
        if self.judges is not None and self.judges.learn(judgements):
            self.lexicon.forget()
        traits = TextTraits(self.text.space, self._encode, [*pool, *judged])
        self.lexicon.learn(traits.sections)
        prior = TextPrior.fit(traits, judgements, int(generator(self.seed, Stream.TEXT_PRIORS, number).integers(2**31)))
        return prior, TextReading.fit(self.lexicon, self.text.space, judgements)

    def _heard(self, judgements: Sequence[Judgement]) -> list[Judgement]:
        """What M_prior and M_L are fitted to: what each judge said who is not excluded."""
        return [j for j in self._guided.split(judgements) if j.judge not in self._guided.excluded]

    def _judged(self, judgements: Sequence[Judgement]) -> list[str]:
        """The sections that judgements are of, as often as they are."""
        return [section for j in judgements for text in j.query.hypotheses for section in self._sections(text)]

    def _sections(self, text: str) -> tuple[str, ...]:
        return self.text.space.read(text).sections

    def _pool(self, pool: Sequence[str], prior: TextPrior, reading: TextReading) -> Pool:
        logits = np.stack([np.asarray(self._holds @ reading.map(section), dtype=np.float32) for section in pool])
        return Pool(
            tuple(pool),
            np.array([prior.worth(section) for section in pool]),
            np.stack([prior.members(section) for section in pool]),
            np.array([0.0 if section in prior.traits.sections else OWN_VARIANCE for section in pool]),
            logits,
            reading.base,
            self._labelled.answers,
            self._evidence,
            self.settings.caution,
            twins(np.stack([self.lexicon.literal(section) for section in pool])),
        )

    def _undecided(self, pool: Sequence[str], prior: TextPrior, reading: TextReading, best: TextHypothesis) -> float:
        """The share of D′ that another draw of M_prior would label otherwise: each climbs from z* to its own best."""
        given = self._pool(pool, prior, reading)
        bests = [best]
        for draw in range(DRAWS):
            drawn = replace(given, worth=given.members[:, draw], caution=0.0)
            climbed = Sections(self.text.space, drawn, [best], 0).run(np.random.default_rng(draw), 1)
            bests.append(climbed[0].hypothesis)
        return self._agenda.undecided(reading, bests)

    def _search(
        self,
        pool: Sequence[str],
        prior: TextPrior,
        reading: TextReading,
        before: Sequence[ScoredText],
        rng: np.random.Generator,
    ) -> tuple[ScoredText, ...]:
        written = [self.text.space.read(text) for text in self._guided.written]
        starts = [*(scored.hypothesis for scored in before[:2]), *written]
        return Sections(self.text.space, self._pool(pool, prior, reading), starts).run(rng, 100)

    def _tell(self, stage: str, state: TextState) -> None:
        if self._progress is not None:
            best = self.text.space.show(state.found[0].hypothesis) if state.found else ""
            number = len(state.rounds) + (stage != "round")  # which is told when it has ended
            at = number, max(number, self._rounds)  # one more than the most, where the last audit refuted z*
            self._progress(Progress.of(self.ledger, self.budget, stage, best, at, state.prior.preference))


def induce_text(text: TextProblem, overseer: Overseer, proposer: Proposer, **options: Any) -> TextInduced:
    """`ainduce_text` for callers without an event loop."""
    return waited(ainduce_text(text, overseer, proposer, **options))


async def ainduce_text(
    text: TextProblem,
    overseer: Overseer,
    proposer: Proposer,
    *,
    seed: int = 0,
    budget: int = 300,
    known: Mapping[str, Judgement] | None = None,
    record: Record | None = None,
    progress: Callable[[Progress], None] | None = None,
    encode: Encode | None = None,
    settings: Settings | None = None,
    judges: Judges | None = None,
    guide: Guide | None = None,
) -> TextInduced:
    """Find z* in free text. Arguments as in `induction.induce`, and who proposes.

    Raises:
        ValueError: for a budget below 1, a D or a D′ without a row.
        InputError: for a space in which nothing can be said.
    """
    refuse_empty(text.problem, budget)
    settings = settings or Settings()
    ledger = Ledger(overseer if isinstance(overseer, Archive) else OrderSwapped(overseer, seed), known, record)
    induction = TextInduction(text, ledger, proposer, budget, encode, settings, seed, progress, judges, guide)
    state = await induction.init()
    while not induction.done(state):
        state = await induction.step(state)
    scores = np.array([scored.score for scored in state.found[:50]])
    weights = np.exp(scores - scores.max())
    return TextInduced(
        text, state.found[0].hypothesis, state.found[:50], weights / weights.sum(), state.prior, state.reading,
        state.rounds, induction._pool(state.pool, state.prior, state.reading), ledger=ledger, budget=budget,
        settings=settings, seconds=induction.seconds, judges=judges, heard=tuple(induction._heard(state.judgements)),
    )  # fmt: skip
