"""What a search for a belief climbs: log prior and log likelihood of a numpyro model over a flat vector.

A model is a function that draws its parameters with `numpyro.sample` and its data with `obs=`. Traced once, its latent
sites become one unconstrained vector u ∈ ℝ^d (positive numbers by their logarithm, shares by their logit, …);
everything after that is one compiled function of a batch of u. Needs the extra `beliefs`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from imitative.errors import InputError

Floats = NDArray[np.float64]
Model = Callable[..., None]

BATCH = 64
"""Points evaluated together, unless the model is dear. One shape, compiled once: short batches are padded."""
DRAWN = 512
"""Draws from the prior made together: one shape, compiled once, since random numbers are dear to compile."""
MORE = 8
"""Times as many where no gradient is wanted."""


PRIOR = "prior:"
"""How the name of a `numpyro.factor` begins that belongs to the prior, not to the likelihood."""


class Site(NamedTuple):
    """One latent site: where its numbers lie in u and in θ, and how they are bounded.

    `lower` and `upper` are where each of its numbers must end; NaN where its numbers bound one another (a simplex, an
    ordered vector): such a site has no words of its own.
    """

    name: str
    shape: tuple[int, ...]
    start: int  # in u
    size: int  # in u
    first: int  # in θ
    numbers: int  # in θ
    lower: float
    upper: float

    @property
    def elementwise(self) -> bool:
        """Whether each number of θ is a function of one number of u."""
        return not math.isnan(self.lower)


class Heights(NamedTuple):
    """At a batch of points u: log prior with the Jacobian, and log likelihood."""

    log_prior: Floats  # (n,)
    log_likelihood: Floats  # (n,)

    @property
    def log_joint(self) -> Floats:
        """Their sum (n,), nats; −∞ where the model gives no number."""
        return _total(self.log_prior, self.log_likelihood)


class Parts(NamedTuple):
    """The same with the gradient of their sum."""

    log_prior: Floats  # (n,)
    log_likelihood: Floats  # (n,)
    gradient: Floats  # (n, d)

    @property
    def log_joint(self) -> Floats:
        """As of `Heights`."""
        return _total(self.log_prior, self.log_likelihood)


def _total(log_prior: Floats, log_likelihood: Floats) -> Floats:
    total = log_prior + log_likelihood
    return np.asarray(np.where(np.isfinite(total), total, -np.inf))


def load_jax() -> Any:
    """jax, told to compute in double precision.

    Raises:
        InputError: if the extra is not installed.
    """
    try:
        import jax
        import numpyro  # noqa: F401
    except ImportError:
        raise InputError("beliefs", "no numpyro", "the extra `beliefs`", "pip install 'imitative[beliefs]'") from None
    jax.config.update("jax_enable_x64", True)
    return jax


@final
@dataclass(eq=False)
class Target:
    """log p(D, u) of a model on data.

    Args:
        model: a numpyro function.
        data: its keyword arguments.
        improper: whether priors without a finite mass are let pass: the evidence is then up to a constant.

    Raises:
        InputError: for no parameters, discrete parameters, an improper prior, or a likelihood that is zero or no
            number wherever the prior looks; naming the site.
    """

    model: Model
    data: Mapping[str, Any]
    improper: bool = False
    batch: int = BATCH
    name: str = "the model"
    evaluations: int = 0  #: points whose density or gradient was computed
    gradients: int = 0  #: points whose gradient was
    sites: tuple[Site, ...] = field(init=False)
    size: int = field(init=False)
    _batch: Any = field(init=False, repr=False)
    _high: Any = field(init=False, repr=False)
    _one: Any = field(init=False, repr=False)
    _transforms: dict[str, Any] = field(init=False, repr=False)
    _constrain: Any = field(init=False, repr=False)
    _draw: Any = field(init=False, repr=False)

    def __post_init__(self) -> None:
        jax = load_jax()
        from numpyro import handlers

        # The sites are read off a point that nothing is drawn for: an improper prior cannot be drawn from, and
        # random numbers outside a compiled function are compiled one by one.
        placed = handlers.seed(handlers.substitute(self.model, substitute_fn=_middle), 0)
        trace = handlers.trace(placed).get_trace(**self.data)
        self.sites, self._transforms = self._read_sites(trace)
        self.size = sum(site.size for site in self.sites)
        self._one = self._parts
        with_gradient = jax.value_and_grad(lambda u: _sum_and_parts(self._one(u)), has_aux=True)
        self._batch = jax.jit(jax.vmap(with_gradient))
        self._high = jax.jit(jax.vmap(self._one))
        self._constrain = jax.jit(jax.vmap(self._flat))
        self._draw = jax.jit(jax.vmap(self._drawn))

    def _read_sites(self, trace: Mapping[str, Any]) -> tuple[tuple[Site, ...], dict[str, Any]]:
        from numpyro.distributions import biject_to, constraints

        sites: list[Site] = []
        transforms: dict[str, Any] = {}
        start = first = 0
        for name, site in trace.items():
            if site["type"] != "sample" or site["is_observed"]:
                continue
            if site["fn"].is_discrete:
                raise InputError(
                    f"{self.name}: {name}", "a discrete parameter", "real numbers", "sum it out inside the model"
                )
            if not self.improper and _is_improper(site["fn"]):
                raise InputError(
                    f"{self.name}: {name}", "an improper prior", "one that is a distribution",
                    "say what is plausible: KL to a prior without a finite mass means nothing",
                )  # fmt: skip
            support = site["fn"].support
            transform = biject_to(support)
            shape = tuple(np.shape(site["value"]))
            inner = transform.inverse_shape(shape)
            lower, upper = _bounds(support, constraints)
            size, count = int(np.prod(inner)), int(np.prod(shape))
            sites.append(Site(name, shape, start, size, first, count, lower, upper))
            transforms[name] = (transform, inner)
            start, first = start + size, first + count
        if not sites:
            raise InputError(self.name, "no parameters", "at least one numpyro.sample without obs=")
        return tuple(sites), transforms

    # -- jax ---------------------------------------------------------------------------------------------------------

    def values(self, u: Any) -> tuple[dict[str, Any], Any]:
        """u (d,) → the sites' values, and the log determinant of the Jacobian."""
        import jax.numpy as jnp

        found: dict[str, Any] = {}
        total = jnp.zeros(())
        for site in self.sites:
            transform, inner = self._transforms[site.name]
            part = u[site.start : site.start + site.size].reshape(inner)
            found[site.name] = transform(part)
            total = total + jnp.sum(transform.log_abs_det_jacobian(part, found[site.name]))
        return found, total

    def _flat(self, u: Any) -> Any:
        import jax.numpy as jnp

        found, _ = self.values(u)
        return jnp.concatenate([jnp.ravel(found[site.name]) for site in self.sites])

    def _parts(self, u: Any) -> tuple[Any, Any]:
        """(log prior + log Jacobian, log likelihood) at one point."""
        import jax.numpy as jnp
        from numpyro import handlers

        found, jacobian = self.values(u)
        seeded = handlers.seed(handlers.substitute(self.model, data=found), 0)
        trace = handlers.trace(seeded).get_trace(**self.data)
        prior, likelihood = jacobian, jnp.zeros(())
        for site in trace.values():
            if site["type"] != "sample":
                continue
            log_p = site["fn"].log_prob(site["value"])
            if site["scale"] is not None:
                log_p = log_p * site["scale"]
            if site["is_observed"] and not site["name"].startswith(PRIOR):
                likelihood = likelihood + jnp.sum(log_p)
            else:
                prior = prior + jnp.sum(log_p)
        return prior, likelihood

    def log_joint(self, u: Any) -> Any:
        """log p(D, u) at one point, for samplers written in jax."""
        prior, likelihood = self._one(u)
        return prior + likelihood

    # -- numpy -------------------------------------------------------------------------------------------------------

    def heights(self, u: Floats) -> Heights:
        """The densities at points u (n, d): several times cheaper than with the gradient."""
        self.evaluations += len(u)
        batch = MORE * self.batch
        found: list[tuple[Floats, Floats]] = []
        for begin in range(0, len(u), batch):
            part = u[begin : begin + batch]
            full = np.concatenate([part, np.repeat(part[:1], batch - len(part), 0)])
            prior, likelihood = self._high(full)
            found.append((np.asarray(prior)[: len(part)], np.asarray(likelihood)[: len(part)]))
        return Heights(*(np.concatenate(each) for each in zip(*found, strict=True)))

    def parts(self, u: Floats) -> Parts:
        """Everything at points u (n, d)."""
        n = len(u)
        self.evaluations += n
        self.gradients += n
        found: list[tuple[Floats, Floats, Floats]] = []
        for begin in range(0, n, self.batch):
            part = u[begin : begin + self.batch]
            full = np.concatenate([part, np.repeat(part[:1], self.batch - len(part), 0)])
            (_, (prior, likelihood)), gradient = self._batch(full)
            k = len(part)
            found.append((np.asarray(prior)[:k], np.asarray(likelihood)[:k], np.asarray(gradient)[:k]))
        return Parts(*(np.concatenate(each) for each in zip(*found, strict=True)))

    def constrain(self, u: Floats) -> Floats:
        """θ (n, D) at points u (n, d), as flat numbers in the order of the sites."""
        n = len(u)
        padded = np.concatenate([u, np.zeros((-n % 4096, self.size))])
        return np.concatenate([np.asarray(self._constrain(padded[i : i + 4096])) for i in range(0, len(padded), 4096)])[
            :n
        ]

    def shaped(self, theta: Floats) -> dict[str, Floats]:
        """Flat θ (n, D) → site → (n, *shape)."""
        return {s.name: theta[:, s.first : s.first + s.numbers].reshape(len(theta), *s.shape) for s in self.sites}

    def prior_draws(self, n: int, seed: int) -> Floats:
        """u (n, d) drawn from the prior; rows that are no numbers are left out.

        Raises:
            InputError: if the prior cannot be drawn from (an improper one).
        """
        rng = np.random.default_rng(seed)
        if self.improper:
            return np.asarray(rng.standard_normal((n, self.size)))
        keys = rng.integers(2**32, size=(n + -n % DRAWN, 2), dtype=np.uint32)
        parts = [np.asarray(self._draw(keys[i : i + DRAWN])) for i in range(0, len(keys), DRAWN)]
        found = np.concatenate(parts)[:n]
        return np.asarray(found[np.isfinite(found).all(axis=1)])

    def _drawn(self, key: Any) -> Any:
        """u (d,) drawn from the prior by a key, (2,) of 32 bits."""
        import jax
        import jax.numpy as jnp
        from numpyro import handlers

        hidden = handlers.block(self.model, hide_fn=lambda site: site["type"] != "sample" or site["is_observed"])
        seeded = handlers.seed(hidden, jax.random.wrap_key_data(key))
        trace = handlers.trace(seeded).get_trace(**self.data)
        return jnp.concatenate([jnp.ravel(self._transforms[s.name][0].inv(trace[s.name]["value"])) for s in self.sites])


def _middle(site: Any) -> Any:
    """0 in the free coordinates of a site: a point of its support."""
    import jax.numpy as jnp
    from numpyro.distributions import biject_to

    if site["type"] != "sample" or site["is_observed"] or site["fn"].is_discrete:
        return None
    transform = biject_to(site["fn"].support)
    shape = tuple(site["kwargs"].get("sample_shape") or ()) + tuple(site["fn"].shape())
    return transform(jnp.zeros(transform.inverse_shape(shape)))


def _sum_and_parts(parts: tuple[Any, Any]) -> tuple[Any, tuple[Any, Any]]:
    return parts[0] + parts[1], parts


def _is_improper(fn: Any) -> bool:
    import numpyro.distributions as dist

    while hasattr(fn, "base_dist") and not isinstance(fn, dist.ImproperUniform):
        fn = fn.base_dist
    return isinstance(fn, dist.ImproperUniform)


def _bounds(support: Any, constraints: Any) -> tuple[float, float]:
    """Where each number of a site must end, or NaN where the numbers bound one another."""
    while isinstance(support, constraints.independent):
        support = support.base_constraint
    if isinstance(support, type(constraints.real)):
        return -math.inf, math.inf
    low, high = getattr(support, "lower_bound", None), getattr(support, "upper_bound", None)
    if (low is None and high is None) or any(np.size(x) != 1 for x in (low, high) if x is not None):
        return math.nan, math.nan
    return (-math.inf if low is None else float(low)), (math.inf if high is None else float(high))
