"""The exact posterior of a model, or none: what failed its checks is never returned.

climb → Laplace → full-rank belief by reparameterised gradients → adaptive importance sampling
    weights reliable (k̂ < 0.7, enough of them)?  yes: they are the posterior, and the evidence
                                                 no:  NUTS, with bridge sampling for the evidence
NUTS with divergences, chains that disagree, or a direction that nothing pins down → an error that names it
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, final

import numpy as np
from numpy.typing import NDArray

from imitative.errors import InputError
from imitative.search.gradient import DEAR, Fitted, Gaussian, full_rank, laplace, root, tops
from imitative.search.nuts import Chains, chains, trouble
from imitative.search.target import Target
from imitative.search.weighting import RELIABLE, Weighted, adapted, bridged, split, weighted

Floats = NDArray[np.float64]
Tell = Callable[[str], None]

ENOUGH = 2000.0
"""Effective draws below which importance sampling gives way to NUTS: means within 0.03 standard deviations or so."""
DRAWS = 32_768
FEWER = 8192
"""Draws that models too dear for `DRAWS` are weighed with."""
KEPT = 16_384
"""Draws that a result is made from."""
MOST_FULL_RANK = 60
"""Parameters up to which importance sampling from a mixture of t's is tried at all."""


@final
@dataclass(frozen=True, eq=False)
class ExactPosterior:
    """Draws of the exact posterior, checked.

    Args:
        target: whose posterior it is.
        u: (n, d) draws, equally weighted.
        theta: (n, D) the same as parameters.
        means, sds: (D,) of the parameters, from every weighted draw.
        log_evidence: log p(D), nats, and its standard error.
        sampler: `importance sampling` or `NUTS`.
        variational: the full-rank belief and its score.
        diagnostics: k̂, effective draws, R̂, divergences, gradient evaluations.
        notes: what a reader should know: what the data are silent about.
    """

    target: Target
    u: Floats
    theta: Floats
    means: Floats
    sds: Floats
    log_evidence: float
    error: float
    sampler: str
    variational: Fitted
    diagnostics: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def exact_posterior(
    target: Target,
    names: Sequence[str],
    *,
    seed: int = 0,
    sampler: Literal["auto", "importance", "nuts"] = "auto",
    warmup: int = 300,
    draws: int = 1000,
    keep_unidentified: bool = False,
    tell: Tell = lambda _: None,
) -> ExactPosterior:
    """Find the posterior.

    Args:
        target: the model on its data.
        names: (D,) what each number of θ is called, for messages.
        seed: of everything random.
        sampler: `auto` takes importance sampling where it can be believed and NUTS otherwise.
        warmup: steps of each of four NUTS chains before their draws count.
        draws: of each chain.
        keep_unidentified: whether a direction that only the prior pins down is let pass, with a note.
        tell: told what is being done.

    Raises:
        InputError: for a likelihood that is zero or no number everywhere, parameters that nothing identifies, or
            sampling that failed its checks; no posterior is returned then.
    """
    tell("looking at the prior")
    _check_likelihood(target, seed)
    tell("climbing")
    starts = tops(target, seed)
    if not starts:
        raise InputError(target.name, "a likelihood of zero everywhere the search looked", "data the model can make")
    tell("fitting a full-rank belief")
    try:
        near = [laplace(target, top) for top in starts]
        variational = full_rank(target, near[0], seed, steps=60 if target.batch >= DEAR else 20)
    except np.linalg.LinAlgError:
        remedy = "check the priors, and whether the data follow the model without any error, which leaves no density"
        raise InputError(target.name, "no curvature at the best point", remedy=remedy) from None
    assert isinstance(variational.belief, Gaussian)
    shape = variational.belief
    found: Weighted | None = None
    diagnostics: dict[str, Any] = {"elbo": variational.score}
    if sampler != "nuts" and target.size <= MOST_FULL_RANK:
        tell("weighing")
        found = _weighed(target, [shape, *near[1:]], seed)
        diagnostics |= {"k_hat": found.k_hat, "effective": found.effective}
    if found is not None and found.k_hat < RELIABLE and found.effective >= ENOUGH:
        result = _from_weights(target, found, seed)
        how = "importance sampling"
    elif sampler == "importance":
        raise InputError(
            target.name, f"importance weights that cannot be believed (k̂ {diagnostics.get('k_hat', math.inf):.2f})",
            remedy="write sampler = \"auto\", which goes on with NUTS",
        )  # fmt: skip
    else:
        tell("sampling with NUTS")
        whiten = bool(np.isfinite(shape.factor).all())
        run = chains(target, shape, seed, warmup=warmup, draws=draws, whiten=whiten)
        said = trouble(run, _names_of_u(target, names))
        if said:
            tell("sampling with NUTS again, in smaller steps")
            run = chains(target, _shape(run, shape), seed + 1, warmup=2 * warmup, draws=2 * draws, accept=0.98)
            said = trouble(run, _names_of_u(target, names))
        if said:
            raise InputError(
                target.name, f"a posterior that failed its checks: {', '.join(said)}", "one that can be believed",
                "nothing is reported: say more in the priors, fix a parameter, or simplify the model",
            )  # fmt: skip
        result = _from_chains(target, run, seed)
        diagnostics |= {
            "r_hat": float(np.max(run.r_hat)), "effective": float(run.effective.min()),
            "divergences": run.divergences, "nuts_gradients": run.gradients,
        }  # fmt: skip
        how = "NUTS"
    tell("checking what the data speak of")
    notes = _identified(target, result["u"], names, seed, keep_unidentified)
    diagnostics["evaluations"] = target.evaluations
    return ExactPosterior(
        target=target, sampler=how, variational=variational, diagnostics=diagnostics, notes=notes, **result
    )


def _check_likelihood(target: Target, seed: int) -> None:
    """The likelihood where the prior looks: zero or no number everywhere is an error, for many draws too."""
    u = target.prior_draws(512, seed)
    if len(u) == 0:
        raise InputError(target.name, "a prior that draws no numbers", "finite draws", "check the priors")
    likelihood = target.heights(u).log_likelihood
    fine = np.isfinite(likelihood)
    if fine.any():
        return
    what = "no number (NaN)" if np.isnan(likelihood).any() else "zero"
    raise InputError(
        target.name, f"a likelihood that is {what} for every one of {len(u)} draws from the prior",
        "data that the model can make",
        "check the data's range, and whether the model's solution blows up under the priors",
    )  # fmt: skip


def _weighed(target: Target, starts: list[Gaussian], seed: int) -> Weighted:
    """Adaptive importance sampling; with more parts where the first proposal does not fit."""
    proposal = adapted(target, starts, seed)
    trial = weighted(target, proposal, 8192, seed + 20)
    if trial.effective > 20 and (trial.k_hat > 0.5 or trial.effective < 0.25 * len(trial.u)):
        finer = split(proposal, trial, 12, seed)
        best = trial
        for r in range(6):
            found = weighted(target, finer, 8192, seed + 30 + r)
            if found.effective > best.effective:
                best, proposal = found, finer
            elif r > 2:
                break
            finer = finer.refitted(found.u, found.weights)
    return weighted(target, proposal, DRAWS if target.batch >= DEAR else FEWER, seed + 40)


def _from_weights(target: Target, found: Weighted, seed: int) -> dict[str, Any]:
    theta = target.constrain(found.u)
    means = found.weights @ theta
    sds = np.sqrt(found.weights @ (theta - means) ** 2)
    places = (np.arange(KEPT) + np.random.default_rng(seed).random()) / KEPT
    chosen = np.minimum(np.searchsorted(np.cumsum(found.weights), places), len(found.u) - 1)
    chosen = np.random.default_rng(seed).permutation(chosen)
    return {
        "u": found.u[chosen], "theta": theta[chosen], "means": means, "sds": sds,
        "log_evidence": found.log_evidence, "error": found.error,
    }  # fmt: skip


def _from_chains(target: Target, run: Chains, seed: int) -> dict[str, Any]:
    u = run.u.reshape(-1, target.size)
    theta = target.constrain(u)
    evidence, error = bridged(target, u, target.heights(u).log_joint, seed)
    return {
        "u": u, "theta": theta, "means": theta.mean(axis=0), "sds": theta.std(axis=0, ddof=1),
        "log_evidence": evidence, "error": error,
    }  # fmt: skip


def _shape(run: Chains, otherwise: Gaussian) -> Gaussian:
    """What the chains saw, as the shape of the next ones."""
    u = run.u.reshape(-1, run.u.shape[2])
    covariance = np.cov(u.T).reshape(u.shape[1], u.shape[1])
    if not np.isfinite(covariance).all():
        return otherwise
    covariance = 0.95 * covariance + 0.05 * np.diag(np.diag(covariance) + 1e-9)
    return Gaussian(u.mean(axis=0), root(covariance))


def _names_of_u(target: Target, names: Sequence[str]) -> list[str]:
    """What each number of u is called: its own name where it is one number of θ, else its site's."""
    found: list[str] = []
    for site in target.sites:
        own = [names[site.first + k] for k in range(site.numbers)]
        found += own if site.size == site.numbers else [site.name] * site.size
    return found


def _identified(target: Target, u: Floats, names: Sequence[str], seed: int, keep: bool) -> tuple[str, ...]:
    """Directions along which the likelihood is flat and the posterior is still the prior, by name.

    Flat: vᵀ∇log p(D|u) is zero at every draw. Still the prior: vᵀu is as spread as under the prior; so a parameter
    that other parameters' priors depend on does not count, though no datum depends on it alone. A direction among the
    numbers of vectors (a group's own effect, of which that group says nothing), in which the single numbers have no
    part or are better known than before, is in the nature of a hierarchy: counted in a note, never refused.
    """
    count = max(128, 4 * target.size)
    few = u[:: max(1, len(u) // count)][:count]
    slope = _likelihood_slope(target, few)
    spread = np.maximum(u.std(axis=0), 1e-12)
    g = slope * spread
    values, vectors = np.linalg.eigh(g.T @ g / len(g))
    prior = target.prior_draws(2048, seed + 7)
    labels = _names_of_u(target, names)
    alone = np.concatenate([np.full(site.size, site.numbers == 1) for site in target.sites])
    said: list[str] = []
    silent = 0

    def still_the_prior(direction: Floats) -> bool:
        before, after = float((prior @ direction).std()), float((u @ direction).std())
        return 0.85 < after / max(before, 1e-300) < 1.15

    for value, v in zip(values, vectors.T, strict=True):
        if value > 1e-10 * max(float(values[-1]), 1e-6):
            break
        if not still_the_prior(v / spread):
            continue
        if np.abs(v[alone]).max(initial=0.0) > 0.1 and still_the_prior(np.where(alone, v, 0.0) / spread):
            involved = [labels[i] for i in np.argsort(-np.abs(v)) if abs(v[i]) > 0.1]
            said.append(" and ".join(dict.fromkeys(involved[:4])))
        else:
            silent += 1
    if said and not keep:
        what = "; ".join(list(dict.fromkeys(said))[:5])
        raise InputError(
            target.name, f"data that do not tell {what} (apart): the posterior is the prior there",
            "parameters the data can speak of", "fix or remove one of them, or write unidentified = \"keep\"",
        )  # fmt: skip
    found = [f"The data say nothing of {each}: what is believed of it is the prior." for each in said]
    if silent:
        found.append(f"Of {silent} of the {target.size} numbers, groups' own, the data say nothing.")
    return tuple(found)


def _likelihood_slope(target: Target, u: Floats) -> Floats:
    """∇_u log p(D|u) at each row: the gradient of the joint, compiled already, less that of the prior."""
    from imitative.search.target import load_jax

    jax = load_jax()
    prior = jax.jit(jax.vmap(jax.grad(lambda one: target._one(one)[0])))
    slope = target.parts(u).gradient - np.asarray(prior(u))
    return np.asarray(np.nan_to_num(slope))
