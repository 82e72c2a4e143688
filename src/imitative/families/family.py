"""The role of a family: data and options in, a numpyro model with spoken parameters out.

Every parameter that is spoken of is a scalar site whose name is the name it is spoken by: `numpyro.sample("R0", …)`.
Its prior is a line of text, in the words of `hypotheses/marginal.py` or as a named distribution, `normal(0, 10)`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, final

import numpy as np
from numpy.typing import NDArray

from imitative.errors import InputError, did_you_mean, listed, shown
from imitative.hypotheses.belief import Parameter
from imitative.hypotheses.marginal import Clause, Form, Marginal, written

Floats = NDArray[np.float64]


@final
@dataclass(frozen=True, slots=True)
class Spoken:
    """A parameter of a model and what is believed of it beforehand.

    Args:
        parameter: name, unit, sentence, ends.
        prior: `about 0, give or take 1`, or `half-cauchy(2.5)`; see `read_prior`.
    """

    parameter: Parameter
    prior: str


@final
@dataclass(frozen=True)
class Options:
    """What the problem file says of the model: the family's own keys, each used once."""

    given: Mapping[str, Any] = field(default_factory=dict)
    place: str = "model"

    def whole(self, key: str, otherwise: int, low: int = 0, high: int = 50) -> int:
        """A whole number.

        Raises:
            InputError: for anything else, or one out of range.
        """
        value = self.given.get(key, otherwise)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise InputError(f"{self.place}.{key}", shown(value), f"a whole number from {low} to {high}")
        return value

    def choice(self, key: str, options: tuple[str, ...]) -> str:
        """One of several words; the first where nothing is said.

        Raises:
            InputError: for another.
        """
        value = self.given.get(key, options[0])
        if value not in options:
            raise InputError(
                f"{self.place}.{key}", shown(value), f"one of {listed(options)}", did_you_mean(str(value), options)
            )
        return str(value)

    def only(self, *keys: str) -> None:
        """Refuse keys that the family does not know.

        Raises:
            InputError: naming the first.
        """
        for key in self.given:
            if key not in keys:
                remedy = did_you_mean(key, keys)
                raise InputError(self.place, f"the key {key!r}", f"one of {listed(keys) if keys else 'none'}", remedy)


@final
@dataclass(frozen=True, eq=False)
class Observed:
    """D as a family sees it, and what is known of D′ beforehand.

    Args:
        y: (T,) or (T, groups); NaN where nothing was observed. Rows in order: time, or examples.
        x: (T, K) columns that explain, for regressions and Gaussian processes.
        x_new: (H, K) the same for D′.
        columns: (K,) how they are spoken of.
        groups: the names of the series.
        arrays: everything else by name, for models that need it (populations, infection-to-death distributions, …).
        unit: of y.
        step: `day`, `week`, … how long one row is.
    """

    y: Floats
    x: Floats | None = None
    x_new: Floats | None = None
    columns: tuple[str, ...] = ()
    groups: tuple[str, ...] = ("",)
    arrays: Mapping[str, Floats] = field(default_factory=dict)
    unit: str = ""
    step: str = "step"

    def series(self) -> Floats:
        """y as one series (T,).

        Raises:
            InputError: if there are several.
        """
        if self.y.ndim == 2 and self.y.shape[1] != 1:
            raise InputError(
                "labelled", f"{self.y.shape[1]} series", "one", "keep one with `where`, or take another family"
            )
        return self.y.reshape(-1)


@final
@dataclass(frozen=True, eq=False)
class Built:
    """A model ready to be searched.

    Args:
        model: a numpyro function of `horizon`; with a horizon above 0 it also samples the site `forecast`,
            (horizon,) or (horizon, groups).
        parameters: the parameters that are spoken of, each a scalar site of its name.
        batch: points evaluated together: fewer where one is dear.
        samples_forecast: whether `forecast` is there.
    """

    model: Callable[..., None]
    parameters: tuple[Spoken, ...]
    batch: int = 64
    samples_forecast: bool = True


class Family(Protocol):
    """Builds a model. `priors` maps a parameter's name to a numpyro distribution."""

    def __call__(self, data: Observed, options: Options, said: Mapping[str, Spoken]) -> Built:
        """The model of these data; `said` is what the problem file says of parameters, by name."""
        ...


def settled(own: tuple[Spoken, ...], said: Mapping[str, Spoken]) -> tuple[Spoken, ...]:
    """A family's parameters, with what the problem file says in place of its defaults.

    Raises:
        InputError: for a parameter the model does not have, a unit that disagrees, or ends that leave nothing between
            them.
    """
    names = [each.parameter.name for each in own]
    for name in said:
        if name not in names:
            place = f"parameters.{name}"
            raise InputError(
                place, "a parameter the model does not have", f"one of {listed(names, 20)}", did_you_mean(name, names)
            )
    found = []
    for each in own:
        theirs = said.get(each.parameter.name)
        if theirs is None:
            found.append(each)
            continue
        unit = theirs.parameter.unit
        if unit and each.parameter.unit and unit != each.parameter.unit:
            raise InputError(
                f"parameters.{each.parameter.name}.unit", shown(unit), shown(each.parameter.unit), "units disagree"
            )
        parameter = replace(
            each.parameter,
            unit=unit or each.parameter.unit,
            sentence=theirs.parameter.sentence or each.parameter.sentence,
            lower=max(each.parameter.lower, theirs.parameter.lower),
            upper=min(each.parameter.upper, theirs.parameter.upper),
        )
        if not parameter.lower < parameter.upper:
            stated = f"lower {theirs.parameter.lower:g} and upper {theirs.parameter.upper:g}"
            within = f"numbers from {each.parameter.lower:g} to {each.parameter.upper:g}"
            raise InputError(f"parameters.{parameter.name}", stated, within)
        found.append(Spoken(parameter, theirs.prior or each.prior))
    return tuple(found)


def priors_of(parameters: tuple[Spoken, ...]) -> dict[str, Any]:
    """Name → numpyro distribution, of those that have a prior: a model of one's own may have it in itself."""
    return {each.parameter.name: read_prior(each.prior, each.parameter) for each in parameters if each.prior}


_CALL = re.compile(r"([a-z-]+)\s*\(([^()]*)\)")


def read_prior(text: str, parameter: Parameter) -> Any:
    """A prior as written → a numpyro distribution on the parameter's support.

    Words as in `hypotheses/marginal.py`, or: normal(mean, sd), half-normal(sd), student-t(freedom, location, scale),
    half-cauchy(scale), log-normal(mean, sd of the logarithm), gamma(shape, rate), beta(a, b), exponential(rate),
    uniform(low, high).

    Raises:
        InputError: for anything else; for `flat`, which is no distribution.
    """
    import numpyro.distributions as dist

    place = f"parameters.{parameter.name}.prior"
    if text.strip().lower() in ("flat", "improper", "uniform", "none"):
        raise InputError(
            place, "an improper prior", "a distribution", "say what is plausible: about 0, give or take 100"
        )
    called = _CALL.fullmatch(text.strip().lower())
    if called is None:
        try:
            marginal = Marginal.read(text, parameter.unit)
        except ValueError as error:
            raise InputError(place, shown(text), "words or a distribution", str(error)) from None
        try:
            return from_words(marginal, parameter)
        except ValueError as error:
            raise InputError(place, shown(text), _ends(parameter), str(error)) from None
    try:
        numbers = [float(part) for part in called[2].split(",")]
        return _named(called[1], numbers, parameter, dist)
    except (TypeError, ValueError, IndexError) as error:
        raise InputError(place, shown(text), "a distribution with finite numbers", str(error)) from None


def _ends(p: Parameter) -> str:
    if math.isinf(p.lower) and math.isinf(p.upper):
        return "any numbers"
    if math.isinf(p.upper):
        return f"numbers above {p.lower:g}"
    return f"numbers below {p.upper:g}" if math.isinf(p.lower) else f"numbers between {p.lower:g} and {p.upper:g}"


def _inside(low: float, high: float, p: Parameter) -> None:
    """Raise ValueError unless a density from `low` to `high` stays where the parameter can be."""
    if low < p.lower or high > p.upper:
        raise ValueError(f"it reaches from {low:g} to {high:g}, and {p.name} takes {_ends(p)}")


def _named(name: str, numbers: list[float], p: Parameter, dist: Any) -> Any:
    if not all(math.isfinite(x) for x in numbers):
        raise ValueError("every number must be finite")
    a = numbers[0]
    b = numbers[1] if len(numbers) > 1 else math.nan
    below = {} if math.isinf(p.lower) else {"low": p.lower}
    above = {} if math.isinf(p.upper) else {"high": p.upper}
    wide = {"normal": (1, b), "half-normal": (0, a), "half-cauchy": (0, a), "log-normal": (1, b), "exponential": (0, a)}
    if name in wide and not wide[name][1] > 0:
        raise ValueError("the spread must be above 0")
    if name == "normal":
        return dist.TruncatedNormal(a, b, **below, **above) if below or above else dist.Normal(a, b)
    if name == "student-t":
        around_it = dist.StudentT(a, b, numbers[2])
        if p.lower == b == 0.0 and not above:
            return dist.FoldedDistribution(around_it)  # half of it, as half-cauchy is
        _inside(-math.inf, math.inf, p)
        return around_it
    if name in ("gamma", "beta") and not min(a, b) > 0:
        raise ValueError("both numbers must be above 0")
    if name == "uniform":
        if not a < b:
            raise ValueError("the lower end comes first")
        _inside(a, b, p)
    elif name in wide or name in ("gamma", "beta"):
        _inside(0.0, 1.0 if name == "beta" else math.inf, p)
    makers = {
        "half-normal": lambda: dist.HalfNormal(a),
        "half-cauchy": lambda: dist.HalfCauchy(a),
        "log-normal": lambda: dist.LogNormal(a, b),
        "gamma": lambda: dist.Gamma(a, b),
        "beta": lambda: dist.Beta(a, b),
        "exponential": lambda: dist.Exponential(a),
        "uniform": lambda: dist.Uniform(a, b),
    }
    if name not in makers:
        raise ValueError(f"known are normal, student-t, {', '.join(makers)}")
    return makers[name]()


def from_words(marginal: Marginal, p: Parameter) -> Any:
    """A marginal as a numpyro distribution on the parameter's support: the same density."""
    import jax.numpy as jnp
    import numpyro.distributions as dist

    parts = [_clause(clause, p, dist) for clause in marginal.clauses]
    if len(parts) == 1:
        return parts[0]
    shares = dist.Categorical(probs=jnp.array(marginal.percents) / 100.0)
    return dist.MixtureGeneral(shares, parts, support=_support(p))


def _support(p: Parameter) -> Any:
    from numpyro.distributions import constraints

    if math.isinf(p.lower) and math.isinf(p.upper):
        return constraints.real
    if math.isinf(p.upper):
        return constraints.positive if p.lower == 0 else constraints.greater_than(p.lower)
    return constraints.less_than(p.upper) if math.isinf(p.lower) else constraints.interval(p.lower, p.upper)


def _clause(clause: Clause, p: Parameter, dist: Any) -> Any:
    a, b = clause.numbers[:2]
    if clause.form is Form.FACTOR:
        _inside(0.0, math.inf, p)
        return dist.LogNormal(math.log(a), math.log(b))
    if clause.form is Form.CASES:
        _inside(0.0, 1.0, p)
        return dist.Beta(a * b, (1 - a) * b)
    if clause.form is Form.EVENTS:
        _inside(0.0, math.inf, p)
        return dist.Gamma(b, b / a)
    if clause.form is Form.BETWEEN:
        _inside(a, b, p)
        return dist.Uniform(a, b)
    if clause.form is Form.LIKELY:
        _inside(a, b, p)
        return _triangular(a, b, clause.numbers[2])
    below = {} if math.isinf(p.lower) else {"low": p.lower}
    above = {} if math.isinf(p.upper) else {"high": p.upper}
    return dist.TruncatedNormal(a, b, **below, **above) if below or above else dist.Normal(a, b)


def _triangular(low: float, high: float, mode: float) -> Any:
    import jax
    import jax.numpy as jnp
    import numpyro.distributions as dist

    class Triangular(dist.Distribution):  # type: ignore[misc]
        """The triangular distribution, which numpyro lacks."""

        support = dist.constraints.interval(low, high)

        def sample(self, key: Any, sample_shape: tuple[int, ...] = ()) -> Any:
            q = jax.random.uniform(key, sample_shape)
            turn = (mode - low) / (high - low)
            up = low + jnp.sqrt(q * (high - low) * (mode - low))
            down = high - jnp.sqrt((1 - q) * (high - low) * (high - mode))
            return jnp.where(q < turn, up, down)

        def log_prob(self, value: Any) -> Any:
            rising = jnp.log(jnp.maximum(value - low, 1e-300)) - math.log(max(mode - low, 1e-300))
            falling = jnp.log(jnp.maximum(high - value, 1e-300)) - math.log(max(high - mode, 1e-300))
            inside = (value >= low) & (value <= high)
            either = jnp.where(value < mode, rising, falling)
            return jnp.where(inside, math.log(2.0 / (high - low)) + either, -jnp.inf)

    return Triangular()


def real(name: str, sentence: str, prior: str, unit: str = "") -> Spoken:
    """A parameter on the whole line."""
    return Spoken(Parameter(name, unit, sentence), prior)


def positive(name: str, sentence: str, prior: str, unit: str = "") -> Spoken:
    """A parameter above 0."""
    return Spoken(Parameter(name, unit, sentence, lower=0.0), prior)


def share(name: str, sentence: str, prior: str) -> Spoken:
    """A parameter between 0 and 1."""
    return Spoken(Parameter(name, "", sentence, lower=0.0, upper=1.0), prior)


TINY = 1e-200
"""A spread that default priors do not go below: what is no spread has no prior, whatever unit it is told in."""


def around(middle: float, spread: float) -> str:
    """`about M, give or take S`, with three digits."""
    return f"about {_three(middle)}, give or take {_three(max(spread, TINY))}"


def up_to(scale: float) -> str:
    """A half-normal of this scale, for spreads."""
    return f"half-normal({_three(max(scale, TINY))})"


def _three(x: float) -> str:
    return written(float(f"{x:.3g}"))


def varying(y: Floats) -> Floats:
    """y, where not all that was observed is one number.

    Raises:
        InputError: where it is: noise then vanishes, and with it every density.
    """
    seen = y[np.isfinite(y)]
    if len(seen) > 1 and not np.ptp(seen) > 0:
        raise InputError(
            "labelled", f"the same number ({seen[0]:g}) in all {len(seen)} rows", "numbers that differ",
            "what never changed needs no model: check that it is the right column",
        )  # fmt: skip
    return y


def scale_of(y: Floats) -> float:
    """The standard deviation of what was observed, 1 where there is none: default priors are in the data's units."""
    spread = float(np.nanstd(y)) if np.isfinite(y).sum() > 1 else 0.0
    return spread if spread > 0 else 1.0
