"""The given reference posteriors: means, standard deviations, evidence, seconds; and what they cost beside numpyro."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from bench.figure import Bench, Row
from imitative.beliefs.induction import names_of, spoken
from imitative.families.family import Built, Observed, Options, Spoken, positive, real
from imitative.families.registry import family
from imitative.hypotheses.belief import Parameter
from imitative.search.exact import ExactPosterior, exact_posterior
from imitative.search.gradient import Gaussian
from imitative.search.nuts import chains
from imitative.search.readable import Readable, in_words
from imitative.search.target import Target, load_jax

HALF = math.log(2.0)
EIGHT_SCHOOLS = -32.0045  # by quadrature; the README of the data


class Reference(NamedTuple):
    """One posterior as our families say it.

    Args:
        folder: of its data.
        build: data → model.
        names: reference name → ours; a leading `θ` is computed from draws by `derive`.
        cut: nats by which truncated priors, which the reference does not renormalise, make its evidence smaller.
        improper: whether its priors are.
    """

    folder: str
    build: Callable[[Mapping[str, Any]], Built]
    names: Callable[[Mapping[str, Any]], dict[str, str]]
    cut: float
    improper: bool = False
    derive: Callable[[dict[str, np.ndarray[Any, Any]]], dict[str, np.ndarray[Any, Any]]] = lambda _: {}


def _said(**priors: str) -> dict[str, Spoken]:
    return {name.replace("_", " "): Spoken(Parameter(name.replace("_", " ")), prior) for name, prior in priors.items()}


def _named(priors: Mapping[str, str]) -> dict[str, Spoken]:
    return {name: Spoken(Parameter(name), prior) for name, prior in priors.items()}


def _kidscore(d: Mapping[str, Any]) -> Built:
    """Flat priors on the coefficients: no family takes them, so the model is written out."""
    y, hs, iq = (np.array(d[key], dtype=float) for key in ("kid_score", "mom_hs", "mom_iq"))
    x = np.stack([np.ones_like(y), hs, iq], axis=1)

    def model(horizon: int = 0) -> None:
        import jax.numpy as jnp
        import numpyro
        import numpyro.distributions as dist

        flat = dist.ImproperUniform(dist.constraints.real, (), ())
        b = jnp.stack([numpyro.sample(f"beta {k}", flat) for k in (1, 2, 3)])
        sigma = numpyro.sample("sigma", dist.HalfCauchy(2.5))
        numpyro.sample("y", dist.Normal(jnp.asarray(x) @ b, sigma), obs=jnp.asarray(y))

    coefficients = tuple(real(f"beta {k}", "", "flat") for k in (1, 2, 3))
    return Built(model, (*coefficients, positive("sigma", "", "half-cauchy(2.5)")))


def _schools(d: Mapping[str, Any]) -> Built:
    observed = Observed(np.array(d["y"], float), np.array(d["sigma"], float)[:, None], columns=("sd",))
    return family("hierarchical-normal")(
        observed, Options(), _named({"the mean": "normal(0, 5)", "the spread": "half-cauchy(5)"})
    )


def _ar(d: Mapping[str, Any]) -> Built:
    names = ["the pull of 1 step ago", *(f"the pull of {k} steps ago" for k in range(2, 6))]
    priors = dict.fromkeys(["the level", *names], "normal(0, 10)") | {"the noise": "half-cauchy(2.5)"}
    return family("ar")(Observed(np.array(d["y"], float)), Options({"lags": 5}), _named(priors))


def _blr(d: Mapping[str, Any]) -> Built:
    x = np.array(d["X"], float)
    columns = tuple(f"x{k + 1}" for k in range(x.shape[1]))
    priors = {f"the effect of {c}": "normal(0, 10)" for c in columns} | {"the noise": "half-normal(10)"}
    return family("linear")(
        Observed(np.array(d["y"], float), x, columns=columns), Options({"intercept": False}), _named(priors)
    )


def _mixture(d: Mapping[str, Any]) -> Built:
    priors = {f"the middle of the {k} group": "normal(0, 2)" for k in ("first", "second")}
    priors |= {f"the width of the {k} group": "half-normal(2)" for k in ("first", "second")}
    priors["the share of the first group"] = "beta(5, 5)"
    return family("mixture")(Observed(np.array(d["y"], float)), Options(), _named(priors))


def _gp(d: Mapping[str, Any]) -> Built:
    priors = {"the reach": "gamma(25, 4)", "the height": "half-normal(2)", "the noise variance": "half-normal(1)"}
    x = np.array(d["x"], float)[:, None]
    return family("gaussian-process")(Observed(np.array(d["y"], float), x, columns=("x",)), Options(), _named(priors))


def _lynx(d: Mapping[str, Any]) -> Built:
    y = np.concatenate([[d["y_init"]], d["y"]]).astype(float)
    start = f"log-normal({math.log(10.0)}, 1)"
    priors = {"the start of the first": start, "the start of the second": start}
    return family("ode")(Observed(y, groups=("hare", "lynx")), Options(), _named(priors))


def _schools_theta(values: dict[str, np.ndarray[Any, Any]]) -> dict[str, np.ndarray[Any, Any]]:
    theta = values["the mean"][:, None] + values["the spread"][:, None] * values["offset"]
    return {f"theta[{k + 1}]": theta[:, k] for k in range(theta.shape[1])}


RATES = (
    "the growth of the prey",
    "the toll of the predators",
    "the death of the predators",
    "the gain of the predators",
)
REFERENCES = {
    "eight schools": Reference(
        "eight_schools-eight_schools_noncentered", _schools, lambda _: {"mu": "the mean", "tau": "the spread"}, HALF,
        derive=_schools_theta,
    ),
    "kidscore": Reference(
        "kidiq-kidscore_momhsiq", _kidscore,
        lambda _: {f"beta[{k}]": f"beta {k}" for k in (1, 2, 3)} | {"sigma": "sigma"}, HALF, True,
    ),
    "AR(5)": Reference(
        "arK-arK", _ar,
        lambda _: {"alpha": "the level", "beta[1]": "the pull of 1 step ago", "sigma": "the noise"}
        | {f"beta[{k}]": f"the pull of {k} steps ago" for k in range(2, 6)}, HALF,
    ),
    "linear regression": Reference(
        "sblrc-blr", _blr, lambda d: {f"beta[{k}]": f"the effect of x{k}" for k in range(1, len(d["X"][0]) + 1)}
        | {"sigma": "the noise"}, HALF,
    ),
    "mixture": Reference(
        "low_dim_gauss_mix-low_dim_gauss_mix", _mixture,
        lambda _: {f"{a}[{k}]": f"the {b} of the {o} group" for a, b in (("mu", "middle"), ("sigma", "width"))
                   for k, o in ((1, "first"), (2, "second"))} | {"theta": "the share of the first group"}, 2 * HALF,
    ),
    "Gaussian process": Reference(
        "gp_pois_regr-gp_regr", _gp,
        lambda _: {"rho": "the reach", "alpha": "the height", "sigma": "the noise variance"}, 2 * HALF,
    ),
    "Lotka–Volterra": Reference(
        "hudson_lynx_hare-lotka_volterra", _lynx,
        lambda _: {f"theta[{k + 1}]": name for k, name in enumerate(RATES)}
        | {f"{a}[{k}]": f"the {b} of the {o}" for a, b in (("z_init", "start"), ("sigma", "error"))
           for k, o in ((1, "first"), (2, "second"))},
        -2 * float(stats.norm.logcdf(2.0)) - 2 * float(stats.norm.logcdf(1.0)),
    ),
}  # fmt: skip


class Found(NamedTuple):
    """What came out for one reference."""

    posterior: ExactPosterior
    readable: Readable
    seconds: float  # to the exact posterior, reading and compiling included
    processor: float  # the same, of processor time: what other work beside it does not change
    in_words: float  # seconds more until it is in words
    target: Target
    data: dict[str, Any]


def find(reference: Reference, folder: Path) -> Found:
    """The posterior and the belief in words."""
    load_jax()
    data = json.loads((folder / reference.folder / "data.json").read_text("utf-8"))
    started, busy = time.perf_counter(), time.process_time()
    built = reference.build(data)
    target = Target(built.model, {}, improper=reference.improper, batch=built.batch, name=reference.folder)
    posterior = exact_posterior(target, names_of(target), keep_unidentified=reference.improper)
    middle, busy = time.perf_counter(), time.process_time() - busy
    space, places = spoken(built.parameters, target)
    readable = in_words(posterior, space, places)
    return Found(posterior, readable, middle - started, busy, time.perf_counter() - middle, target, data)


def posteriors(bench: Bench) -> Iterator[Row]:
    """Five rows for each reference."""
    evidence = json.loads((bench.data / "posteriordb" / "log_evidence.json").read_text("utf-8"))
    load_jax()
    for name, reference in REFERENCES.items():
        folder = bench.data / "posteriordb"
        found = find(reference, folder)
        summary = json.loads((folder / reference.folder / "summary.json").read_text("utf-8"))
        yield from _compared(name, reference, found, summary)
        logz = evidence[reference.folder]["logZ"] if reference.folder in evidence else EIGHT_SCHOOLS
        ours = found.posterior.log_evidence - reference.cut
        elbo = found.posterior.variational.score - reference.cut
        detail = {"ours": ours, "reference": logz, "standard error": found.posterior.error, "elbo": elbo}
        error = abs(ours - logz)
        yield Row(f"{name}: log evidence error, nats", error, "≤ 0.02", error <= 0.02, detail)
        words = found.readable.score - reference.cut
        above = max(elbo - 3 * found.posterior.variational.error, words - 3 * found.readable.error) - logz
        detail = {"full rank": elbo, "words": words, "words lose": found.readable.loss}
        yield Row(f"{name}: ELBO above log evidence, nats", above, "≤ 0", above <= 0.0, detail)
        detail = {"sampler": found.posterior.sampler, **found.posterior.diagnostics, "words": found.in_words}
        detail |= {"processor seconds": found.processor, "gradients": found.target.gradients}
        bench.say(f"{name}: {found.processor:.1f} s of processor time, {found.posterior.sampler}")
        yield Row(f"{name}: seconds, compiling included", found.seconds, "< 10", found.seconds < 10.0, detail)


def _compared(name: str, reference: Reference, found: Found, summary: Mapping[str, Any]) -> Iterator[Row]:
    posterior, target = found.posterior, found.target
    place = {n: i for i, n in enumerate(names_of(target))}
    names = reference.names(found.data)
    derived = reference.derive(target.shaped(posterior.theta) if not reference.improper else {})
    gaps, ratios, readable = {}, {}, {}
    order = list(names.values())
    said = {n: k for k, n in enumerate(s.name for s in target.sites if s.name in order)}
    for theirs, row in summary.items():
        if theirs in names:
            i = place[names[theirs]]
            mean, sd = float(posterior.means[i]), float(posterior.sds[i])
            readable[theirs] = abs(float(found.readable.means[said[names[theirs]]]) - row["mean"]) / row["sd"]
        elif theirs in derived:
            mean, sd = float(derived[theirs].mean()), float(derived[theirs].std())
        else:
            continue
        gaps[theirs], ratios[theirs] = abs(mean - row["mean"]) / row["sd"], abs(sd / row["sd"] - 1.0)
    worst, wide, words = max(gaps.values()), max(ratios.values()), max(readable.values())
    yield Row(f"{name}: worst mean, reference sds", worst, "≤ 0.03", worst <= 0.03, gaps)
    yield Row(f"{name}: worst sd, relative", wide, "≤ 0.03", wide <= 0.03, ratios)
    yield Row(f"{name}: worst mean in words, reference sds", words, "≤ 0.10", words <= 0.10, readable)


def speed(bench: Bench) -> Iterator[Row]:
    """Points evaluated for each effective draw, beside numpyro's NUTS from the same start and its SVI."""
    for name in ("eight schools", "AR(5)"):
        found = find(REFERENCES[name], bench.data / "posteriordb")
        ours = found.posterior.diagnostics["evaluations"] / found.posterior.diagnostics["effective"]
        shape = Gaussian(found.posterior.u.mean(axis=0), np.diag(found.posterior.u.std(axis=0)))
        started = time.perf_counter()
        run = chains(found.target, shape, 0, warmup=500, draws=1000, accept=0.8, whiten=False)  # its defaults
        nuts = run.gradients / float(run.effective.min())
        detail = {"NUTS, gradients an effective draw": nuts, "NUTS, seconds": time.perf_counter() - started}
        detail |= _svi(found.target)
        yield Row(f"{name}: points an effective draw", ours, f"< {nuts:.3g}, NUTS", ours < nuts, detail)


def _svi(target: Target, steps: int = 3000) -> dict[str, float]:
    """numpyro's own full-rank SVI on the same density: its ELBO, gradients and seconds."""
    jax = load_jax()
    import numpyro
    from numpyro import distributions as dist
    from numpyro import handlers
    from numpyro.infer import SVI, Trace_ELBO
    from numpyro.infer.autoguide import AutoMultivariateNormal

    def model() -> None:
        u = numpyro.sample("u", dist.ImproperUniform(dist.constraints.real_vector, (), (target.size,)))
        with handlers.block():  # the model's own sites are inside the density, and no sites of this one
            height = target.log_joint(u)
        numpyro.factor("joint", height)

    started = time.perf_counter()
    guide = AutoMultivariateNormal(model)
    fitted: Any = SVI(model, guide, numpyro.optim.Adam(0.01), Trace_ELBO(num_particles=8)).run(
        jax.random.PRNGKey(0), steps, progress_bar=False
    )
    last = -float(np.mean(np.asarray(fitted.losses)[-200:]))
    return {"SVI, ELBO": last, "SVI, gradients": float(8 * steps), "SVI, seconds": time.perf_counter() - started}
