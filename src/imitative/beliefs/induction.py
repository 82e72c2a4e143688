"""Steps 1–3 for beliefs: whose prior, which posterior, and that posterior in words.

prior      ← what the model says, or what H's comparisons teach (`prior.py`)
posterior  ← exact, checked (`search/exact.py`)
z*         ← the belief in words with the best E_{θ~z}[log p(D|θ)] − KL(z‖prior) (`search/readable.py`)
audit      ← H compares beliefs where the posterior now is, which no earlier query was about; the prior is fitted
             again to those too, and the search is repeated: Step 3
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from imitative.beliefs.choosing import Chooser
from imitative.beliefs.consequences import NOWHERE, Across
from imitative.beliefs.elicited import Elicited
from imitative.beliefs.prior import Elicitor, ask_prior, start_of
from imitative.beliefs.written import Written, better, scored
from imitative.errors import InputError
from imitative.families.family import Built, Spoken
from imitative.guidance import Heard
from imitative.hypotheses.belief import BeliefSpace
from imitative.mail import Proposed
from imitative.overseers.overseer import Budgeted, BudgetSpent, Ledger, Overseer, Record
from imitative.records import Judgement, Kind, Query, content_key
from imitative.search.exact import ExactPosterior, exact_posterior
from imitative.search.readable import WORTH, Readable, in_words
from imitative.search.target import Target
from imitative.waiting import waited

Floats = NDArray[np.float64]
LATER = 0.25
"""Share of the judgements kept for Step 3: asked where the posterior is, once it is known."""


@final
@dataclass(frozen=True)
class BeliefSearch:
    """How the posterior is found; see `search.exact.exact_posterior`."""

    sampler: Any = "auto"
    yardstick: bool = False
    warmup: int = 300
    draws: int = 1000
    keep_unidentified: bool = False


@final
@dataclass(frozen=True, eq=False)
class BeliefProblem:
    """What is to be believed something about.

    Args:
        name, question: of the problem.
        built: the model and its parameters.
        y: D as it is plotted, (T,) or (T, groups).
        labels: (T,) what each row of D is called.
        ahead: (H,) the same for D′.
        groups: names of the series.
        unit: of y.
        truth: what D′ turned out to be, where known; for evaluation only.
        fingerprint: tells one problem from another.
        build_overseer: (space, seed) → whose prior it is; None: the model's own priors hold.
        across: what D′ lies along, for pictures of it.
        budget: judgements in all.
        search: how the posterior is found.
        weighed: (steps) → what looks ahead in the model's stead: several, weighed by their past; None: the model does.
        seed, notes, source: see `LoadedProblem`.
    """

    name: str
    question: str
    built: Built
    y: Floats
    labels: tuple[str, ...]
    ahead: tuple[str, ...]
    groups: tuple[str, ...]
    unit: str
    truth: Floats | None
    fingerprint: str
    build_overseer: Callable[[BeliefSpace, int], Overseer] | None = None
    across: Across = NOWHERE
    budget: int = 100
    search: BeliefSearch = field(default_factory=BeliefSearch)
    weighed: Callable[[int], Chooser] | None = None
    seed: int = 0
    notes: tuple[str, ...] = ()
    source: str = ""


class Believed(NamedTuple):
    """What came out.

    Args:
        problem: what was asked.
        space: the parameters spoken of.
        places: where each lies in u.
        posterior: exact, checked.
        readable: z*, in words.
        elicited: the prior that H's comparisons taught, or None.
        prior: the model with whatever prior was used: a numpyro function of `horizon`.
        yardstick: NUTS beside importance sampling: largest disagreement in standard deviations, or None.
        judgements: every judgement used.
        written: what people wrote, scored.
        author: of z*, where it is one of these; '' where the search found it.
    """

    problem: BeliefProblem
    space: BeliefSpace
    places: tuple[int, ...]
    posterior: ExactPosterior
    readable: Readable
    elicited: Elicited | None
    prior: Callable[..., None]
    yardstick: float | None
    judgements: tuple[Judgement, ...]
    written: tuple[Written, ...] = ()
    author: str = ""


Tell = Callable[[str], None]


class Stood(NamedTuple):
    """How a run stands, for whoever follows it.

    Args:
        doing: what is done next.
        asked: judgements asked so far.
        prior: what has been learned of it so far, in words; '' before the first answer.
        belief: z*, in words; '' before the first posterior.
        own: its score, nats.
        written: what people wrote, scored, as `Written.told`; empty before the first posterior.
    """

    doing: str
    asked: int
    prior: str = ""
    belief: str = ""
    own: float | None = None
    written: tuple[dict[str, Any], ...] = ()


@final
@dataclass(frozen=True)
class Company:
    """People who have a hand in a run besides judging, and whoever follows it; by default nobody.

    Args:
        heard: stage, judgements → these without what was excluded since.
        wrote: the beliefs that people have written so far.
        follow: told at every stage.
    """

    heard: Heard = lambda _, judgements: judgements
    wrote: Callable[[], Sequence[Proposed]] = tuple
    follow: Callable[[Stood], None] | None = None


Attend = Callable[[Overseer, BeliefSpace], tuple[Overseer, Company]]
"""Whoever judges, and the space → the same at a run's mailbox, where they are people, and their company."""


def believe(
    problem: BeliefProblem,
    *,
    seed: int | None = None,
    budget: int | None = None,
    known: Mapping[str, Judgement] | None = None,
    record: Record | None = None,
    tell: Tell = lambda _: None,
    attend: Attend = lambda overseer, _: (overseer, Company()),
) -> Believed:
    """Steps 1–3.

    Args:
        problem: the model on its data, and whose prior.
        seed: instead of the problem's own.
        budget: instead of the problem's own.
        known: judgements kept from before, by `Query.key`: not asked again.
        record: called with every new judgement before it is used.
        tell: told what is being done.
        attend: gives people who judge a mailbox and a hand in it.

    Raises:
        InputError: for a model that no posterior can be believed of; see `exact_posterior`.
    """
    seed, budget = problem.seed if seed is None else seed, problem.budget if budget is None else budget
    company = Company()
    plain = target_of(problem)
    space, places = spoken(problem.built.parameters, plain)
    if problem.build_overseer is None:
        posterior = _posterior(plain, problem, seed, tell)
        model, elicited, ledger = problem.built.model, None, None
    else:
        overseer, company = attend(problem.build_overseer(space, seed), space)
        ledger = Ledger(overseer, known, record)
        elicitor = elicitor_of(plain, space, places, seed)
        asking = Asking(elicitor, ledger, company)
        first = max(1, round(budget * (1 - LATER)))
        tell(f"asking which beliefs are more plausible: up to {first} judgements")
        elicited = asking.first(first)
        asking.stands("looking at the data")
        posterior, model = _with_prior(problem, elicited, seed, tell)
        later = min(budget - ledger.asked_in_all, round(budget * LATER))
        if later > 0:
            asking.stands("asking again where the posterior is", *_so_far(posterior, space, places, seed, company))
            tell(f"asking again where the posterior is: {later} judgements")
            elicited = asking.near(posterior.u[:, places], later)
            posterior, model = _with_prior(problem, elicited, seed, tell)
    tell("putting it into words")
    readable = in_words(posterior, space, places, seed=seed)
    written = scored(posterior, space, places, readable.belief, company.wrote(), seed + 2)
    theirs = better(readable, written)
    if theirs is not None and theirs.worth is not None:
        readable = theirs.worth
    apart = None
    if problem.search.yardstick and posterior.sampler != "NUTS":
        tell("NUTS, as the yardstick")
        apart = yardstick(posterior, problem, seed)
    used = () if ledger is None else ledger.judgements
    author = theirs.wrote.author if theirs is not None else ""
    return Believed(problem, space, places, posterior, readable, elicited, model, apart, used, written, author)


def _so_far(
    posterior: ExactPosterior, space: BeliefSpace, places: Sequence[int], seed: int, company: Company
) -> tuple[str, float | None, tuple[dict[str, Any], ...]]:
    """z* as it stands, and what people wrote, for whoever follows; nothing is put into words for nobody."""
    if company.follow is None:
        return "", None, ()
    found = in_words(posterior, space, places, seed=seed)
    written = scored(posterior, space, places, found.belief, company.wrote(), seed + 2)
    return space.show(found.belief), found.score, tuple(each.told(space, posterior, places) for each in written)


@final
class Asking:
    """Asks within the budget, and tells whoever follows how it stands; what was excluded since is forgotten.

    Args:
        elicitor: chooses what is asked, and learns.
        ledger: asks, and keeps.
        company: whoever excludes and follows.
    """

    def __init__(self, elicitor: Elicitor, ledger: Ledger, company: Company) -> None:
        self._elicitor, self._ledger, self._company = elicitor, ledger, company
        self._batches = 0

    def first(self, budget: int) -> Elicited:
        """Step 1: until the budget is spent, or the prior is known to `WORTH` nats."""
        within = Budgeted(self._ledger, budget)
        self.stands("asking which beliefs are more plausible")
        while within.remaining > 0:
            left = within.remaining
            try:
                found = waited(ask_prior(self._elicitor, within, budget, told=self._told))
            except BudgetSpent:  # a batch was to take the place of what was skipped or excluded
                break
            if found.doubt < WORTH or within.remaining == left:
                break
        return self._elicitor.elicited()

    def near(self, u: Floats, count: int) -> Elicited:
        """Step 3: see `ask_near`."""
        waited(ask_near(self._elicitor, self._ledger, u, count))
        self._told(None)
        return self._elicitor.elicited()

    def stands(
        self, doing: str, belief: str = "", own: float | None = None, written: tuple[dict[str, Any], ...] = ()
    ) -> None:
        """Tell whoever follows what is done next."""
        follow = self._company.follow
        if follow is None:
            return
        elicitor, prior = self._elicitor, ""
        if elicitor.judged:
            prior = elicitor.space.show(elicitor.belief())
        follow(Stood(doing, self._ledger.asked_in_all, prior, belief, own, written))

    def _told(self, _: object) -> None:
        self._batches += 1
        judged = self._elicitor.judged
        heard = self._company.heard(f"batch {self._batches}", [judgement for judgement, _, _ in judged])
        kept = [(now, a, b) for now, (_, a, b) in zip(heard, judged, strict=True) if now.answered]
        self._elicitor.judged[:] = kept
        self.stands("asking which beliefs are more plausible")


def target_of(problem: BeliefProblem, model: Callable[..., None] | None = None) -> Target:
    """The problem's model as a target."""
    return Target(model or problem.built.model, {}, batch=problem.built.batch, name=problem.name)


def spoken(parameters: Sequence[Spoken], target: Target) -> tuple[BeliefSpace, tuple[int, ...]]:
    """The parameters that have sentences, and where each lies in u.

    Raises:
        InputError: for a parameter that is no scalar site of the model.
    """
    sites = {site.name: site for site in target.sites}
    found, places = [], []
    for each in parameters:
        site = sites.get(each.parameter.name)
        if site is None or site.numbers != 1 or not site.elementwise:
            raise InputError(
                f"parameters.{each.parameter.name}", "no single number of that name in the model",
                f"one of {', '.join(s.name for s in target.sites if s.numbers == 1) or 'none'}",
                "name a numpyro.sample that draws one number",
            )  # fmt: skip
        found.append(each.parameter)
        places.append(site.start)
    if not found:
        raise InputError("parameters", "none", "at least one that is spoken of", "add [parameters.NAME]")
    return BeliefSpace(tuple(found)), tuple(places)


def names_of(target: Target) -> list[str]:
    """(D,) what every number of θ is called."""
    names: list[str] = []
    for site in target.sites:
        if site.numbers == 1:
            names.append(site.name)
        else:
            names += [f"{site.name}[{', '.join(str(i + 1) for i in at)}]" for at in np.ndindex(*site.shape)]
    return names


def elicitor_of(target: Target, space: BeliefSpace, places: Sequence[int], seed: int, exact: bool = False) -> Elicitor:
    """Who chooses what H is asked: about where the model's own priors lie, before anybody is asked."""
    centre, scale = start_of(target.prior_draws(2048, seed)[:, list(places)])
    return Elicitor(space, centre, scale, seed=seed, exact=exact)


async def ask_near(elicitor: Elicitor, overseer: Overseer, u: Floats, count: int) -> Elicited:
    """Step 3: pairs of beliefs about draws of the posterior, which no earlier query was chosen for."""
    rng = np.random.default_rng(len(elicitor.judged))
    batch = []
    for k in range(count):
        i, j = rng.choice(len(u), 2, replace=False)
        first, second = (elicitor.show((u[n] - elicitor.centre) / elicitor.scale) for n in (i, j))
        if first.text != second.text:
            kind = Kind.ODDS if k % 3 == 0 else Kind.COMPARE_HYPOTHESES
            batch.append((Query(kind, (first.text, second.text), purpose="prior", repeat=1), first, second))
    for judgement, (_, first, second) in zip(await overseer.judge([q for q, _, _ in batch]), batch, strict=True):
        elicitor.learn(judgement, first, second)
    return elicitor.elicited()


def with_prior(model: Callable[..., None], elicited: Elicited, names: Sequence[str]) -> Callable[..., None]:
    """The model with the elicited density in place of these parameters' own priors."""
    from numpyro import handlers

    class Silenced(handlers.block):  # type: ignore[misc]
        """Lets every site through; those of `names` keep their support and lose their density."""

        def process_message(self, message: dict[str, Any]) -> None:
            if message["type"] == "sample" and message["name"] in names and not message["is_observed"]:
                message["fn"] = message["fn"].mask(False)

    def changed(horizon: int = 0) -> None:
        import jax.numpy as jnp
        import numpyro
        from numpyro.distributions import biject_to

        with handlers.trace() as trace, Silenced(hide_fn=lambda _: False):
            model(horizon=horizon)
        free = []
        jacobian = jnp.zeros(())
        for name in names:
            transform = biject_to(trace[name]["fn"].support)
            u = transform.inv(trace[name]["value"])
            free.append(u)
            jacobian = jacobian - transform.log_abs_det_jacobian(u, trace[name]["value"])
        x = (jnp.stack(free) - elicited.centre) / elicited.scale - elicited.mean
        factor = jnp.asarray(np.linalg.cholesky(elicited.covariance))
        white = jnp.linalg.solve(factor, x)
        log_p = -0.5 * jnp.sum(white**2) - jnp.log(jnp.diag(factor)).sum() - jnp.log(jnp.asarray(elicited.scale)).sum()
        numpyro.factor("prior: elicited", log_p - 0.5 * len(names) * math.log(2 * math.pi) + jacobian)

    return changed


def _with_prior(
    problem: BeliefProblem, elicited: Elicited, seed: int, tell: Tell
) -> tuple[ExactPosterior, Callable[..., None]]:
    model = with_prior(problem.built.model, elicited, [each.parameter.name for each in problem.built.parameters])
    return _posterior(target_of(problem, model), problem, seed, tell), model


def _posterior(target: Target, problem: BeliefProblem, seed: int, tell: Tell) -> ExactPosterior:
    search = problem.search
    return exact_posterior(
        target, names_of(target), seed=seed, sampler=search.sampler, warmup=search.warmup, draws=search.draws,
        keep_unidentified=search.keep_unidentified, tell=tell,
    )  # fmt: skip


def yardstick(posterior: ExactPosterior, problem: BeliefProblem, seed: int) -> float:
    """Largest distance between importance sampling's means and NUTS's, in posterior standard deviations.

    Raises:
        InputError: if the chains fail their checks, or the two disagree by more than chance allows.
    """
    from imitative.search.gradient import Gaussian, root
    from imitative.search.nuts import chains, trouble

    target, u = posterior.target, posterior.u
    cov = np.cov(u.T).reshape(target.size, target.size)
    shape = Gaussian(u.mean(axis=0), root(cov + 1e-12 * np.eye(target.size)))
    run = chains(target, shape, seed, warmup=problem.search.warmup, draws=problem.search.draws)
    said = trouble(run, names_of(target))
    theta = target.constrain(run.u.reshape(-1, target.size))
    sds = np.maximum(posterior.sds, 1e-300)
    apart = np.abs(theta.mean(axis=0) - posterior.means) / sds
    allowed = 5.0 / math.sqrt(float(run.effective.min()))
    if not said and apart.max() > allowed + 0.02:
        worst = names_of(target)[int(np.argmax(apart))]
        said = [f"the two samplers are {apart.max():.2f} standard deviations apart on {worst}"]
    if said:
        raise InputError(problem.name, f"a yardstick that disagrees: {', '.join(said)}", "two samplers that agree")
    return float(apart.max())


def fingerprint(parts: Sequence[Any], arrays: Sequence[Floats | None]) -> str:
    """Of what a problem is made of."""
    digests = [None if a is None else content_key([list(a.shape), [repr(float(x)) for x in a.ravel()]]) for a in arrays]
    return content_key([list(parts), digests])
