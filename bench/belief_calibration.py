"""Whether the objective is Bayes' rule: simulation-based calibration, of it and three wrong ones; closed forms."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from scipy import special, stats

from bench.figure import Bench, Row
from bench.wrong_objectives import WRONG, Objective, right
from imitative.beliefs.induction import elicitor_of, spoken, with_prior
from imitative.beliefs.objective import belief_score
from imitative.beliefs.prior import ask_prior
from imitative.families.family import priors_of, real
from imitative.hypotheses.belief import BeliefSpace
from imitative.overseers.believer import Believer
from imitative.search.gradient import Gaussian, full_rank, laplace, tops
from imitative.search.target import Target, load_jax

SIMULATIONS, DATA, NODES, BINS, DRAWS = 1000, 10, 240, 20, 99
STEPS = 60


class Model(NamedTuple):
    """A one-parameter model whose posterior is of its prior's family.

    Everything is a function of u: θ = logistic(u) for a share, exp(u) for a rate. A belief is two positive numbers.
    """

    name: str
    prior: tuple[float, float]
    log_density: Callable[[Any, Any, Any, Any], Any]  # (xp, lgamma, u, (log a, log b)) → log z(u), nats
    log_likelihood: Callable[[Any, Any, Any], Any]  # (xp, u (K, 1), y (N,)) → (K, N)
    loose: Callable[[Any, Any, Any], Any]  # the same, not normalised over answers
    draw: Callable[[np.random.Generator, float], Any]  # (rng, u) → y
    updated: Callable[[Any, tuple[float, float]], tuple[float, float]]  # the closed form
    dist: Callable[[float, float], Any]  # scipy's distribution of θ
    free: Callable[[Any], Any]  # θ → u


def _beta(xp: Any, lgamma: Any, u: Any, n: Any) -> Any:
    a, b = xp.exp(n[0]), xp.exp(n[1])
    return lgamma(a + b) - lgamma(a) - lgamma(b) - a * xp.log1p(xp.exp(-u)) - b * xp.log1p(xp.exp(u))


def _gamma(xp: Any, lgamma: Any, u: Any, n: Any) -> Any:
    a, b = xp.exp(n[0]), xp.exp(n[1])
    return a * n[1] - lgamma(a) + a * u - b * xp.exp(u)


COIN = Model(
    "coin", (2.0, 3.0), _beta,
    lambda xp, u, y: -(y * xp.log1p(xp.exp(-u)) + (1 - y) * xp.log1p(xp.exp(u))),
    lambda xp, u, y: -y * xp.log1p(xp.exp(-u)),  # the score of heads, and nothing for tails
    lambda rng, u: (rng.random(DATA) < special.expit(u)).astype(float),
    lambda y, p: (p[0] + float(y.sum()), p[1] + len(y) - float(y.sum())),
    lambda a, b: stats.beta(a, b), special.logit,
)  # fmt: skip
COUNTS = Model(
    "counts", (3.0, 1.0), _gamma,
    lambda xp, u, y: y * u - xp.exp(u) - _lfactorial(xp, y),
    lambda xp, u, y: y * u,
    lambda rng, u: rng.poisson(math.exp(u), DATA).astype(float),
    lambda y, p: (p[0] + float(y.sum()), p[1] + len(y)),
    lambda a, b: stats.gamma(a, scale=1 / b), np.log,
)  # fmt: skip
SPREAD = Model(
    "precision of a normal", (3.0, 2.0), _gamma,
    lambda xp, u, y: 0.5 * u - 0.5 * y**2 * xp.exp(u) - 0.5 * math.log(2 * math.pi),
    lambda xp, u, y: -0.5 * y**2 * xp.exp(u),
    lambda rng, u: rng.standard_normal(DATA) * math.exp(-0.5 * u),
    lambda y, p: (p[0] + 0.5 * len(y), p[1] + 0.5 * float((y**2).sum())),
    lambda a, b: stats.gamma(a, scale=1 / b), np.log,
)  # fmt: skip
MODELS = (COIN, COUNTS, SPREAD)


def _lfactorial(xp: Any, y: Any) -> Any:
    if xp is np:
        return special.gammaln(y + 1)
    from jax.scipy.special import gammaln

    return gammaln(y + 1)


def optimum(model: Model, objective: Objective, y: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """(S, 2) log a, log b of the best belief for each row of data y (S, N): damped Newton on all rows at once.

    Nodes are an even grid of u, where the trapezium rule is exact to rounding for densities as smooth as these. A wrong
    objective without a maximum is stopped at the ends of a wide box.
    """
    jax = load_jax()
    import jax.numpy as jnp
    from jax.scipy.special import gammaln

    u = jnp.linspace(-9.0, 7.0, NODES)
    prior = jnp.log(jnp.array(model.prior))

    def loss(n: Any, y: Any) -> Any:
        log_z = model.log_density(jnp, gammaln, u, n)
        weights = jnp.exp(log_z) * (u[1] - u[0])
        kl = weights @ (log_z - model.log_density(jnp, gammaln, u, prior))
        ll, loose = model.log_likelihood(jnp, u[:, None], y), model.loose(jnp, u[:, None], y)
        return -objective(jnp, weights, ll, loose, kl)

    low, high = jnp.array([-1.5, -1.5]), jnp.array([4.5, 4.5])

    def step(n: Any, y: Any) -> Any:
        gradient, hessian = jax.grad(loss)(n, y), jax.hessian(loss)(n, y)
        values, vectors = jnp.linalg.eigh(hessian)
        move = -vectors @ ((vectors.T @ gradient) / jnp.maximum(jnp.abs(values), 1e-8))
        move = move * jnp.minimum(1.0, 0.7 / jnp.maximum(jnp.linalg.norm(move), 1e-12))
        sizes = jnp.array([1.0, 0.3, 0.05, 0.0])
        trials = jnp.clip(n + sizes[:, None] * move, low, high)
        values = jax.vmap(loss, (0, None))(trials, y)
        return trials[jnp.argmin(jnp.where(jnp.isfinite(values), values, jnp.inf))]

    many = jax.jit(jax.vmap(lambda y: jax.lax.fori_loop(0, STEPS, lambda _, n: step(n, y), prior)))
    return np.asarray(many(jnp.asarray(y)))


def calibration(bench: Bench) -> Iterator[Row]:
    """p of uniform ranks: of θ among draws of the belief, and of the likelihood of θ among theirs.

    The second rank is needed: a belief that ignores the data and stays at the prior has uniform ranks of θ (Modrák et
    al. 2023). p is twice the smaller of the two.
    """
    for model in MODELS:
        rng = np.random.default_rng(1)
        theta = model.dist(*model.prior).rvs(SIMULATIONS, random_state=rng)
        true = model.free(theta)
        y = np.stack([model.draw(rng, float(u)) for u in true])
        for name, objective in {"the right objective": right, **WRONG}.items():
            found = np.exp(optimum(model, objective, y))
            draws = np.stack([model.free(model.dist(a, b).rvs(DRAWS, random_state=rng)) for a, b in found])
            ranks = _ranks(model, draws, true, y, rng)
            p = min(1.0, 2.0 * min(_uniform(r) for r in ranks))
            bench.say(f"{model.name}, {name}: p = {p:.3g}")
            detail = {"simulations": SIMULATIONS, "p of θ, of the likelihood": [_uniform(r) for r in ranks]}
            if objective is right:
                yield Row(f"calibration: {model.name}, {name}", p, "p > 0.01", p > 0.01, detail)
            else:
                yield Row(f"calibration: {model.name}, {name}", p, "p < 1e-6", p < 1e-6, detail)


def _ranks(model: Model, draws: Any, true: Any, y: Any, rng: np.random.Generator) -> tuple[Any, Any]:
    likelihood = np.stack(
        [model.log_likelihood(np, d[:, None], row).sum(axis=1) for d, row in zip(draws, y, strict=True)]
    )
    own = np.array([model.log_likelihood(np, np.array([[u]]), row).sum() for u, row in zip(true, y, strict=True)])
    tied = np.isclose(likelihood, own[:, None], rtol=0, atol=1e-12)
    by_likelihood = (likelihood < own[:, None]).sum(axis=1) + rng.binomial(tied.sum(axis=1), 0.5)
    return (draws < true[:, None]).sum(axis=1), by_likelihood


def _uniform(ranks: Any) -> float:
    counts = np.bincount(ranks * BINS // (DRAWS + 1), minlength=BINS)
    return float(stats.chisquare(counts).pvalue)


def conjugate(bench: Bench) -> Iterator[Row]:
    """Closed forms: the best belief and its score, by the objective and by induction with an exact overseer."""
    for model in MODELS:
        y = model.draw(np.random.default_rng(3), float(model.free(model.dist(*model.prior).mean())))
        found = np.exp(optimum(model, right, y[None])[0])
        exact = model.updated(y, model.prior)
        u = np.linspace(-9.0, 7.0, NODES)
        log_z = model.log_density(np, special.gammaln, u, np.log(found))
        weights = np.exp(log_z) * (u[1] - u[0])
        kl = float(weights @ (log_z - model.log_density(np, special.gammaln, u, np.log(model.prior))))
        score = belief_score(weights, model.log_likelihood(np, u[:, None], y), kl).score
        theta = float(model.dist(*exact).mean())
        evidence = float(
            model.log_likelihood(np, np.array([[model.free(theta)]]), y).sum()
            + model.dist(*model.prior).logpdf(theta) - model.dist(*exact).logpdf(theta)
        )  # fmt: skip
        error = max(
            abs(found[0] / exact[0] - 1), abs(found[1] / exact[1] - 1),
            abs(model.dist(*found).mean() - model.dist(*exact).mean()), abs(score - evidence),
        )  # fmt: skip
        detail = {"found": found.tolist(), "exact": exact, "score": score, "log evidence": evidence}
        yield Row(f"conjugate: {model.name}", float(error), "≤ 1e-6", bool(error <= 1e-6), detail)
    yield _by_induction(bench)


def _by_induction(bench: Bench) -> Row:
    """Steps 1–3 where everything is known: the prior is learned from an exact overseer's odds, the data are normal."""
    load_jax()
    own = (
        real("the level", "what is measured", "about 0, give or take 2"),
        real("the slope", "", "about 0, give or take 3"),
    )
    rng = np.random.default_rng(5)
    x = np.stack([np.ones(20), rng.standard_normal(20)], axis=1)
    y = x @ np.array([1.0, -0.5]) + 0.7 * rng.standard_normal(20)
    priors = priors_of(own)

    def model(horizon: int = 0) -> None:
        import jax.numpy as jnp
        import numpyro
        import numpyro.distributions as dist

        weights = jnp.stack([numpyro.sample(name, prior) for name, prior in priors.items()])
        numpyro.sample("y", dist.Normal(jnp.asarray(x) @ weights, 0.7), obs=jnp.asarray(y))

    target = Target(model, {})
    space, places = spoken(own, target)
    assert isinstance(space, BeliefSpace)
    believes = space.read("The level is about 0.5, give or take 1.5.\nThe slope is about -1, give or take 0.8.")
    elicitor = elicitor_of(target, space, places, 0, exact=True)
    learned = asyncio.run(ask_prior(elicitor, Believer(space, believes, exact=True), 24, enough=0.0))
    posterior = Target(with_prior(model, learned, [each.parameter.name for each in own]), {})
    found = full_rank(posterior, laplace(posterior, tops(posterior, 0)[0]))
    z = found.belief
    assert isinstance(z, Gaussian)
    m, c = np.array([0.5, -1.0]), np.diag([1.5**2, 0.8**2])
    precision = np.linalg.inv(c) + x.T @ x / 0.49
    mean = np.linalg.solve(precision, np.linalg.solve(c, m) + x.T @ y / 0.49)
    evidence = float(stats.multivariate_normal(x @ m, x @ c @ x.T + 0.49 * np.eye(20)).logpdf(y))
    error = max(
        float(np.abs(z.mean - mean).max()), float(np.abs(z.covariance - np.linalg.inv(precision)).max()),
        abs(found.score - evidence),
    )  # fmt: skip
    bench.say(f"by induction: error {error:.2g}")
    detail = {"mean": z.mean.tolist(), "exact": mean.tolist(), "score": found.score, "log evidence": evidence}
    return Row("conjugate: by induction, exact overseer", error, "≤ 1e-6", error <= 1e-6, detail)
