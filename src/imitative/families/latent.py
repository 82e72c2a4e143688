"""What is not seen: mixtures, hidden Markov chains, Gaussian processes. What is hidden is summed out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from imitative.errors import InputError
from imitative.families.family import (
    Built,
    Observed,
    Options,
    Spoken,
    around,
    positive,
    priors_of,
    real,
    scale_of,
    settled,
    share,
    up_to,
)  # fmt: skip
from imitative.families.series import whole

ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth")


def mixture(data: Observed, options: Options, said: Mapping[str, Spoken]) -> Built:
    """y ~ Σ_k weight_k·N(middle_k, width_k²), middles in increasing order; the last weight is what the others leave.

    The order is a fact of naming, so the prior outside of it is cut away and not renormalised.
    """
    options.only("parts")
    count = options.whole("parts", 2, 2, len(ORDINALS))
    y = whole(data, 2 * count)
    middles, widths = _ordered(y, count, data.unit)
    sticks = [
        share(f"the share of the {ORDINALS[k]} group", "of what the groups before it leave", "beta(1, 1)")
        for k in range(count - 1)
    ]
    parameters = settled((*middles, *widths, *sticks), said)
    priors = priors_of(parameters)

    def model(horizon: int = 0) -> None:
        import jax.numpy as jnp
        import numpyro
        import numpyro.distributions as dist

        value = {name: numpyro.sample(name, prior) for name, prior in priors.items()}
        middle, width = _stacked(value, middles), _stacked(value, widths)
        numpyro.factor("order", jnp.where(jnp.all(jnp.diff(middle) > 0), 0.0, -jnp.inf))
        stick = _stacked(value, sticks)
        weight = jnp.append(stick, 1.0) * jnp.append(1.0, jnp.cumprod(1.0 - stick))
        both = dist.MixtureSameFamily(dist.Categorical(probs=weight), dist.Normal(middle, width))
        numpyro.sample("y", both, obs=jnp.asarray(y))
        if horizon:
            numpyro.sample("forecast", both.expand([horizon]))

    return Built(model, parameters)


def hidden_markov(data: Observed, options: Options, said: Mapping[str, Spoken]) -> Built:
    """A hidden state that stays with its own probability or moves to any other; y ~ N(middle_state, width_state²)."""
    options.only("states")
    count = options.whole("states", 2, 2, len(ORDINALS))
    y = whole(data, 5 * count)
    middles, widths = _ordered(y, count, data.unit, "state")
    stays = [
        share(f"the chance of staying in the {ORDINALS[k]} state", "from one step to the next", "beta(4, 1)")
        for k in range(count)
    ]
    parameters = settled((*middles, *widths, *stays), said)
    priors = priors_of(parameters)

    def model(horizon: int = 0) -> None:
        import jax
        import jax.numpy as jnp
        import numpyro
        import numpyro.distributions as dist

        value = {name: numpyro.sample(name, prior) for name, prior in priors.items()}
        middle, width, stay = (_stacked(value, each) for each in (middles, widths, stays))
        numpyro.factor("order", jnp.where(jnp.all(jnp.diff(middle) > 0), 0.0, -jnp.inf))
        leave = (1.0 - stay)[:, None] / (count - 1)
        move = jnp.log(jnp.where(jnp.eye(count, dtype=bool), stay[:, None], leave))
        log_p = dist.Normal(middle, width).log_prob(jnp.asarray(y)[:, None])

        def step(alpha: Any, row: Any) -> Any:
            return jax.scipy.special.logsumexp(alpha[:, None] + move, axis=0) + row, None

        alpha, _ = jax.lax.scan(step, log_p[0] - jnp.log(count), log_p[1:])
        numpyro.factor("y", jax.scipy.special.logsumexp(alpha))
        if horizon:
            state = numpyro.sample("state", dist.Categorical(logits=alpha))
            chance = numpyro.sample("moves", dist.Gumbel(0.0, 1.0).expand([horizon, count]))
            noise = numpyro.sample("news", dist.Normal(0.0, 1.0).expand([horizon]))

            def ahead(state: Any, e: Any) -> Any:
                state = jnp.argmax(move[state] + e)
                return state, state

            states = jax.lax.scan(ahead, state, chance)[1]
            numpyro.deterministic("forecast", middle[states] + width[states] * noise)

    return Built(model, parameters)


def gaussian_process(data: Observed, options: Options, said: Mapping[str, Spoken]) -> Built:
    """y ~ N(0, height²·exp(−(x − x′)²/2·reach²) + variance·[x = x′]); one column of x, at most 500 rows."""
    options.only()
    y = whole(data, 3)
    if data.x is None or data.x.shape[1] != 1:
        raise InputError("labelled.columns", f"{0 if data.x is None else data.x.shape[1]} columns", "one")
    if len(y) > 500:
        raise InputError(
            "labelled", f"{len(y)} rows", "at most 500", "a Gaussian process costs their cube: thin them out"
        )
    x = data.x[:, 0]
    wide, spread = float(np.ptp(x)) or 1.0, scale_of(y)
    own = (
        positive("the reach", "how far apart two points still agree", around(0.3 * wide, 0.15 * wide)),
        positive(
            "the height", "how far the curve strays from 0", up_to(2 * max(spread, float(np.abs(y).max()))), data.unit
        ),
        positive("the noise variance", "the variance of y around the curve", up_to(spread**2)),
    )
    parameters = settled(own, said)
    priors = priors_of(parameters)

    def model(horizon: int = 0) -> None:
        import jax.numpy as jnp
        import numpyro
        import numpyro.distributions as dist

        value = {name: numpyro.sample(name, prior) for name, prior in priors.items()}
        reach, height, noise = value["the reach"], value["the height"], value["the noise variance"]

        def kernel(a: Any, b: Any) -> Any:
            return height**2 * jnp.exp(-0.5 * ((a[:, None] - b[None, :]) / reach) ** 2)

        here = jnp.asarray(x)
        cov = kernel(here, here) + (noise + 1e-10 * spread**2) * jnp.eye(len(y))
        numpyro.sample("y", dist.MultivariateNormal(jnp.zeros(len(y)), cov), obs=jnp.asarray(y))
        if horizon and data.x_new is not None:
            new = jnp.asarray(data.x_new[:horizon, 0])
            across = jnp.linalg.solve(cov, kernel(here, new))
            mean = across.T @ jnp.asarray(y)
            rest = kernel(new, new) - kernel(new, here) @ across + (noise + 1e-9 * spread**2) * jnp.eye(len(new))
            numpyro.sample("forecast", dist.MultivariateNormal(mean, rest))

    return Built(model, parameters, samples_forecast=data.x_new is not None)


def _ordered(y: Any, count: int, unit: str, what: str = "group") -> tuple[list[Spoken], list[Spoken]]:
    spread = scale_of(y)
    places = np.quantile(y, (np.arange(count) + 0.5) / count)
    middles = [
        real(
            f"the middle of the {ORDINALS[k]} {what}",
            "its mean, in increasing order",
            around(float(places[k]), spread),
            unit,
        )
        for k in range(count)
    ]
    widths = [
        positive(f"the width of the {ORDINALS[k]} {what}", "its standard deviation", up_to(spread), unit)
        for k in range(count)
    ]
    return middles, widths


def _stacked(value: Mapping[str, Any], spoken: list[Spoken]) -> Any:
    import jax.numpy as jnp

    return jnp.stack([value[each.parameter.name] for each in spoken])
