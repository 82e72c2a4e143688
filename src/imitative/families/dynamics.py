"""Models that follow a mechanism through time: ordinary differential equations, and an epidemic's renewal equation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from imitative.errors import InputError, listed, shown
from imitative.families.family import (
    Built,
    Observed,
    Options,
    Spoken,
    positive,
    priors_of,
    settled,
)  # fmt: skip
from imitative.families.latent import ORDINALS
from imitative.families.series import above_zero


class System(NamedTuple):
    """An equation dz/dt = slope(z, θ), its rates, and how many states it has (all of them observed)."""

    slope: Callable[..., Any]
    rates: tuple[Spoken, ...]
    states: int


def _lotka_volterra(z: Any, r: Any) -> Any:
    import jax.numpy as jnp

    prey, predators = z
    return jnp.stack([(r[0] - r[1] * predators) * prey, (r[3] * prey - r[2]) * predators])


def _logistic(z: Any, r: Any) -> Any:
    return r[0] * z * (1.0 - z / r[1])


def _decay(z: Any, r: Any) -> Any:
    return -r[0] * z


SYSTEMS = {
    "lotka-volterra": System(
        _lotka_volterra,
        (
            positive("the growth of the prey", "births a head without predators", "normal(1, 0.5)", "per step"),
            positive("the toll of the predators", "prey lost per prey and predator", "normal(0.05, 0.05)", "per step"),
            positive("the death of the predators", "a head and step without prey", "normal(1, 0.5)", "per step"),
            positive("the gain of the predators", "won per prey and predator", "normal(0.05, 0.05)", "per step"),
        ),
        2,
    ),
    "logistic": System(
        _logistic,
        (
            positive("the growth rate", "while there is room", "about 0.3, give or take a factor of 3", "per step"),
            positive("the capacity", "where growth ends", "about 100, give or take a factor of 10"),
        ),
        1,
    ),
    "decay": System(_decay, (
        positive("the decay rate", "the share lost in a step", "about 0.1, give or take a factor of 5", "per step"),
    ), 1),
}  # fmt: skip


def differential(data: Observed, options: Options, said: Mapping[str, Spoken]) -> Built:
    """y_t ~ LogNormal(log z_t, error), dz/dt = slope(z, rates), z at the first row being unknown too.

    Solved by Runge–Kutta's fourth-order method with `substeps` to a row: one compiled loop. A solution that leaves the
    positive numbers or grows without bound has likelihood zero.
    """
    options.only("system", "substeps")
    name = options.choice("system", tuple(SYSTEMS))
    system, substeps = SYSTEMS[name], options.whole("substeps", 20, 1, 1000)
    y = data.y if data.y.ndim == 2 else data.y[:, None]
    if y.shape[1] != system.states:
        raise InputError("labelled", f"{y.shape[1]} series", f"{system.states} for {name}")
    if len(y) < 3 or not np.isfinite(y).all():
        raise InputError("labelled", f"{len(y)} rows" if len(y) < 3 else "a gap", "at least 3 rows without gaps")
    above_zero(y.T.reshape(-1))
    starts = tuple(
        positive(
            f"the start of the {ORDINALS[k]}",
            "what it was at the first row",
            f"log-normal({np.log(y[0, k]):.4g}, 1)",
            data.unit,
        )
        for k in range(system.states)
    )
    errors = tuple(
        positive(f"the error of the {ORDINALS[k]}", "of its logarithm", "log-normal(-1, 1)")
        for k in range(system.states)
    )
    parameters = settled((*system.rates, *starts, *errors), said)
    priors = priors_of(parameters)
    rates = [each.parameter.name for each in system.rates]

    def model(horizon: int = 0) -> None:
        import jax
        import jax.numpy as jnp
        import numpyro
        import numpyro.distributions as dist

        value = {name: numpyro.sample(name, prior) for name, prior in priors.items()}
        r = jnp.stack([value[name] for name in rates])
        z0 = jnp.stack([value[each.parameter.name] for each in starts])
        error = jnp.stack([value[each.parameter.name] for each in errors])
        h = 1.0 / substeps

        def substep(_: Any, z: Any) -> Any:
            a = system.slope(z, r)
            b = system.slope(z + 0.5 * h * a, r)
            c = system.slope(z + 0.5 * h * b, r)
            d = system.slope(z + h * c, r)
            return z + h / 6.0 * (a + 2 * b + 2 * c + d)

        def step(z: Any, _: Any) -> Any:
            new = jax.lax.fori_loop(0, substeps, substep, z)
            return new, new

        _, path = jax.lax.scan(step, z0, None, length=len(y) - 1 + horizon)
        path = jnp.concatenate([z0[None], path])
        fine = jnp.isfinite(path) & (path > 1e-12) & (path < 1e12)
        numpyro.factor("no blow-up", jnp.where(jnp.all(fine[: len(y)]), 0.0, -jnp.inf))
        curve = jnp.log(jnp.where(fine, path, 1.0))
        numpyro.sample("y", dist.LogNormal(curve[: len(y)], error), obs=jnp.asarray(y))
        if horizon:
            ahead = numpyro.sample("ahead", dist.LogNormal(curve[len(y) :], error))
            numpyro.deterministic("forecast", ahead[:, 0] if system.states == 1 else ahead)

    return Built(model, parameters)


EFFECT = "the logarithm of the factor by which it divides transmission"
DOUBLE = "give or take a factor of 2"
SEEDED_DAYS = 6
"""Days of imported cases with which an epidemic begins (Flaxman et al. 2020)."""
WEEK = 7
SILENT = 10
"""Last days of a country's D, which say nothing yet of transmission: people die weeks after infection."""


def renewal(data: Observed, options: Options, said: Mapping[str, Spoken]) -> Built:
    """Deaths of an epidemic in several countries, from infections that beget infections (Flaxman et al. 2020).

        infections_t = R_t·Σ_s infections_(t−s)·serial_s,   R_t = R0_m·exp(w_tm − Σ_p effect_pm·intervention_tpm)
        deaths_t ~ NegativeBinomial(Σ_s infections_(t−s)·fatal_s, concentration)

    What an intervention does is believed beforehand as the model's authors had it on 30 March 2020, a gamma of shape
    0.5 and rate 1, in words with the same middle and 95 % point: most do little, any may do much, none does harm.
    R0 of each country, its toll, and its response to interventions differ from the typical ones by amounts that
    are learned too. The first `SEEDED_DAYS` of infections are imported. Where transmission wanders, w_tm is a random
    walk in steps of a week, its size learned (Scott et al. 2020, epidemia); it goes on through D′.

    Arrays: `infection_to_death` (T, M), `serial_interval` (T,), `interventions` (M, T, P), `last` (M,) how many rows of
    each country are D; T reaches past D by as much as can be forecast. Options: `interventions`, their P
    names; `responds`, the ones of them to which countries respond each in their own way (the last by default);
    `wanders`, whether transmission does.
    """
    options.only("interventions", "responds", "wanders")
    arrays = data.arrays
    for key in ("infection_to_death", "serial_interval", "interventions"):
        if key not in arrays:
            raise InputError("labelled.arrays", f"no {key}", "one", "name it in [labelled.arrays]")
    deaths, x = data.y, arrays["interventions"]
    countries, steps, count = x.shape
    names = [str(name) for name in options.given.get("interventions", [f"intervention {p + 1}" for p in range(count)])]
    if len(names) != count:
        raise InputError("model.interventions", f"{len(names)} names", f"{count}, one for each column")
    given = options.given.get("responds", names[-1])
    responds = [str(name) for name in (given if isinstance(given, list) else [given])]
    for name in responds:
        if name not in names:
            raise InputError("model.responds", name, f"one of {', '.join(names)}")
    wanders = options.given.get("wanders", False)
    if not isinstance(wanders, bool):
        raise InputError("model.wanders", shown(wanders), "true or false")
    if np.nanmin(deaths) < 0:
        raise InputError("labelled", "negative deaths", "counts from 0", "set corrections to missing")
    whose = listed(responds) if len(responds) < count else "interventions"
    own = [
        positive("R0", "the number of people one case infects", "about 3, give or take a factor of 1.4"),
        *(positive(f"the effect of {name}", EFFECT, "about 0.23, give or take a factor of 3.7") for name in names),
        positive("the difference between countries", "of the logarithm of R0", f"about 0.15, {DOUBLE}"),
        positive("the difference in response", f"between countries, to {whose}", f"about 0.2, {DOUBLE}"),
        positive("the concentration", "how nearly deaths are Poisson", "about 5, give or take a factor of 3"),
        positive("the usual seed", "infections a day that it began with", "about 30, give or take a factor of 3"),
    ]  # fmt: skip
    if wanders:
        own.append(positive("the wandering", "of the logarithm of transmission, in a week", f"about 0.1, {DOUBLE}"))
    parameters = settled(tuple(own), said)
    priors = priors_of(parameters)
    gap = np.arange(steps)[:, None] - np.arange(steps)[None, :]
    known = np.cumsum(arrays["serial_interval"]) < 1.0 - 1e-9
    serial = np.asarray(arrays["serial_interval"][: int(known.sum()) + 1], dtype=float)
    fatal = np.where(gap[None] > 0, arrays["infection_to_death"].T[:, np.clip(gap - 1, 0, steps - 1)], 0.0)
    cells = np.nonzero(np.isfinite(deaths))  # a density costs its logarithms of gammas: none for what was not seen
    last = np.asarray(arrays.get("last", np.full(countries, len(deaths))), dtype=int)
    differ = [names.index(name) for name in responds]
    weeks = -(-steps // WEEK)
    moved = (np.arange(1, weeks)[None, :] * WEEK) <= (last[:, None] - SILENT)  # steps that D can speak of

    def model(horizon: int = 0) -> None:
        import jax
        import jax.numpy as jnp
        import numpyro
        import numpyro.distributions as dist

        value = {name: numpyro.sample(name, prior) for name, prior in priors.items()}
        own, toll, seed = (
            numpyro.sample(name, dist.Normal(0.0, 1.0).expand([countries]))
            for name in ("own R0", "own toll", "own seed")
        )
        response = numpyro.sample("own response", dist.Normal(0.0, 1.0).expand([countries, len(differ)]))
        log_r0 = jnp.log(value["R0"]) + value["the difference between countries"] * own
        effects = jnp.stack([value[f"the effect of {name}"] for name in names])
        effects = (
            jnp.tile(effects, (countries, 1))
            .at[:, jnp.array(differ)]
            .add(value["the difference in response"] * response)
        )
        days = steps if horizon else int(last.max())
        log_r = log_r0[:, None] - jnp.einsum("mtp,mp->mt", jnp.asarray(x[:, :days]), effects)
        if wanders:
            steps_seen = numpyro.sample("own steps", dist.Normal(0.0, 1.0).expand([int(moved.sum())]))
            moves = jnp.zeros((countries, weeks - 1)).at[np.nonzero(moved)].set(steps_seen)
            if horizon:
                ahead = numpyro.sample("steps ahead", dist.Normal(0.0, 1.0).expand([int((~moved).sum())]))
                moves = moves.at[np.nonzero(~moved)].set(ahead)
            walk = jnp.concatenate([jnp.zeros((countries, 1)), jnp.cumsum(moves, axis=1)], axis=1)
            log_r = log_r + value["the wandering"] * jnp.repeat(walk, WEEK, axis=1)[:, :days]
        r = jnp.exp(jnp.clip(log_r, -12.0, 4.0))  # wild draws of the prior would overflow, and nothing lives there
        begun = value["the usual seed"] * jnp.exp(seed)

        def day(recent: Any, row: Any) -> Any:
            r, seeded = row
            new = jnp.where(seeded, begun, r * (serial @ recent))
            return jnp.concatenate([new[None], recent[:-1]]), new

        rows = (r.T, jnp.arange(days) < SEEDED_DAYS)
        _, infections = jax.lax.scan(day, jnp.zeros((len(serial), countries)), rows)
        expected = (
            jnp.einsum("mts,sm->tm", jnp.asarray(fatal[:, :days, :days]), infections) * jnp.exp(0.1 * toll) + 1e-6
        )
        expected = jnp.clip(expected, 1e-6, 1e9)
        past = dist.NegativeBinomial2(expected[cells], value["the concentration"])
        numpyro.factor("deaths", past.log_prob(jnp.asarray(deaths[cells])).sum())
        if horizon:
            rows = jnp.minimum(jnp.asarray(last)[None, :] + jnp.arange(horizon)[:, None], steps - 1)
            ahead = jnp.take_along_axis(expected, rows, axis=0)
            numpyro.sample("forecast", dist.NegativeBinomial2(ahead, value["the concentration"]))

    return Built(model, parameters)
