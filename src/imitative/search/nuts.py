"""The yardstick: exact draws from the posterior by the No-U-Turn sampler (Hoffman & Gelman 2014), numpyro's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from imitative.search.gradient import Gaussian
from imitative.search.target import Target, load_jax

Floats = NDArray[np.float64]


class Chains(NamedTuple):
    """What the chains did."""

    u: Floats  # (chains, n, d)
    log_joint: Floats  # (chains, n)
    divergences: int  #: trajectories whose energy ran away: places that the chains could not enter
    r_hat: Floats  # (d,) split R̂
    effective: Floats  # (d,) how many independent draws they are worth
    gradients: int  #: how many gradients they took, warm-up and all


def chains(
    target: Target, start: Gaussian, seed: int, *, count: int = 4, warmup: int = 300, draws: int = 1000,
    accept: float = 0.9, depth: int = 10, whiten: bool = True,
) -> Chains:  # fmt: skip
    """Run NUTS on v, u = start.mean + start.factor·v: where the start is the posterior, v is a standard normal.

    Args:
        target: what to draw from.
        start: where chains begin and what they take for the shape.
        seed: of the chains.
        count: chains, side by side.
        warmup: steps of each before its draws count.
        draws: steps of each that count.
        accept: wished acceptance; higher is slower and diverges less.
        depth: at most 2^depth − 1 gradients a step.
        whiten: whether to use the start's shape at all.
    """
    jax = load_jax()
    import jax.numpy as jnp
    from numpyro.diagnostics import effective_sample_size, split_gelman_rubin
    from numpyro.infer import MCMC, NUTS

    factor = jnp.asarray(start.factor if whiten else np.eye(target.size))
    mean = jnp.asarray(start.mean)
    kernel = NUTS(
        potential_fn=lambda v: -target.log_joint(mean + factor @ v),
        target_accept_prob=accept, max_tree_depth=depth, dense_mass=False,
    )  # fmt: skip
    # Progress of numpyro's own needs a compiled callback that doubles the time to compile: the caller tells of stages.
    run = MCMC(
        kernel, num_warmup=warmup, num_samples=draws, num_chains=count, chain_method="vectorized", progress_bar=False
    )
    rng = np.random.default_rng(seed)
    first = rng.standard_normal((count, target.size)) * 0.5
    begin = first if whiten else first @ start.factor.T
    fields = ("diverging", "num_steps", "potential_energy")
    run.run(jax.random.PRNGKey(seed), init_params=jnp.asarray(begin), extra_fields=fields)
    v = np.asarray(run.get_samples(group_by_chain=True))
    told = run.get_extra_fields(group_by_chain=True)
    steps = int(np.sum(np.asarray(told["num_steps"])))
    u = np.asarray(start.mean) + v @ np.asarray(factor).T
    gradients = int(steps * (warmup + draws) / max(draws, 1))
    target.evaluations += gradients
    return Chains(
        u,
        -np.asarray(told["potential_energy"]),
        int(np.sum(np.asarray(told["diverging"]))),
        np.atleast_1d(split_gelman_rubin(u)),
        np.atleast_1d(effective_sample_size(u)),
        gradients,
    )


def trouble(found: Chains, names: Sequence[str]) -> list[str]:
    """What is wrong with the chains, in words; empty where they can be believed."""
    said = []
    n = found.u.shape[0] * found.u.shape[1]
    if found.divergences > 0.005 * n:
        said.append(f"{found.divergences} of {n} trajectories diverged")
    worst = int(np.nanargmax(np.where(np.isnan(found.r_hat), np.inf, found.r_hat)))
    if not found.r_hat[worst] < 1.02:
        said.append(f"the chains disagree about {names[worst]} (R-hat {found.r_hat[worst]:.3f})")
    least = int(np.argmin(found.effective))
    if found.effective[least] < 100 * found.u.shape[0] / 4:
        said.append(f"{found.effective[least]:.0f} effective draws of {names[least]}")
    return said
