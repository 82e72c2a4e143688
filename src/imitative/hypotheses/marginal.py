"""What is believed of one parameter: a distribution that one clause of English says, and that clause says back.

| clause | distribution |
|---|---|
| `between 2 and 3` | uniform on [2, 3] |
| `between 2 and 3, most likely 2.4` | triangular on [2, 3] with its mode at 2.4 |
| `about 6.5, give or take 0.5` | normal, mean 6.5, standard deviation 0.5, cut off where the parameter must end |
| `about 3, give or take a factor of 1.5` | log-normal, median 3, standard deviation of the logarithm ln 1.5 |
| `about 0.4, as after 20 cases` | Beta(0.4·20, 0.6·20): what 20 cases, 40 % of them successes, would leave |
| `about 3.2, as after 14 events` | Gamma, shape 14, mean 3.2: what 14 events would leave of their rate |
| `either A (70 %) or B` | 0.7·A + 0.3·B |
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any, final

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

Floats = NDArray[np.float64]

FAR = 9.0
"""Standard deviations beyond which a normal has no mass that could be told from none: a cut there is not made."""


class Form(StrEnum):
    """How a clause speaks; see the table above."""

    BETWEEN = "between"
    LIKELY = "between, most likely"
    ABOUT = "give or take"
    FACTOR = "give or take a factor"
    CASES = "as after cases"
    EVENTS = "as after events"


SIZES = {Form.BETWEEN: 2, Form.LIKELY: 3, Form.ABOUT: 2, Form.FACTOR: 2, Form.CASES: 2, Form.EVENTS: 2}
"""How many numbers each form has."""


@final
@dataclass(frozen=True, slots=True)
class Clause:
    """One distribution of one parameter.

    Args:
        form: which kind.
        numbers: (a, b), (a, b, mode), (mean, sd), (median, factor), (mean, cases) or (mean, events).

    Raises:
        ValueError: if the numbers make no distribution, saying why.
    """

    form: Form
    numbers: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.numbers) != SIZES[self.form] or not all(math.isfinite(x) for x in self.numbers):
            raise ValueError(f"“{self.form}” takes {SIZES[self.form]} finite numbers, not {self.numbers}")
        first, second = self.numbers[:2]
        if self.form in (Form.BETWEEN, Form.LIKELY) and not first < second:
            raise ValueError(f"between {first:g} and {second:g}: the smaller number comes first")
        if self.form is Form.LIKELY and not first <= self.numbers[2] <= second:
            raise ValueError(f"most likely {self.numbers[2]:g} lies outside {first:g} to {second:g}")
        if self.form is Form.ABOUT and not second > 0:
            raise ValueError(f"give or take {second:g}: more than 0 is needed")
        if self.form is Form.FACTOR and not (first > 0 and second > 1):
            raise ValueError(f"about {first:g}, give or take a factor of {second:g}: above 0, and a factor above 1")
        if self.form is Form.CASES and not (0 < first < 1 and second > 0):
            raise ValueError(f"about {first:g}, as after {second:g} cases: a share between 0 and 1, and cases above 0")
        if self.form is Form.EVENTS and not (first > 0 and second > 0):
            raise ValueError(f"about {first:g}, as after {second:g} events: both above 0")

    def distribution(self, lower: float, upper: float) -> Any:
        """The frozen scipy distribution on a support that ends at `lower` and `upper`."""
        return _distribution(self.form, self.numbers, lower, upper)

    def show(self, unit: str = "") -> str:
        """The clause as a person reads it."""
        said = [written(x) for x in self.numbers]
        unit = f" {unit}" if unit else ""
        if self.form is Form.BETWEEN:
            return f"between {said[0]} and {said[1]}{unit}"
        if self.form is Form.LIKELY:
            return f"between {said[0]} and {said[1]}{unit}, most likely {said[2]}"
        if self.form is Form.ABOUT:
            return f"about {said[0]}{unit}, give or take {said[1]}"
        if self.form is Form.FACTOR:
            return f"about {said[0]}{unit}, give or take a factor of {said[1]}"
        return f"about {said[0]}{unit}, as after {said[1]} {'cases' if self.form is Form.CASES else 'events'}"


@final
@dataclass(frozen=True, slots=True)
class Marginal:
    """A mixture of clauses: `either A (70 %) or B`; of one clause where there is no either.

    Args:
        clauses: one or more.
        percents: what each weighs, summing to 100; the last is never said.
    """

    clauses: tuple[Clause, ...]
    percents: tuple[float, ...] = (100.0,)

    def __post_init__(self) -> None:
        if len(self.clauses) != len(self.percents) or not self.clauses:
            raise ValueError(f"{len(self.clauses)} alternatives with {len(self.percents)} shares")
        if min(self.percents) <= 0 or abs(sum(self.percents) - 100.0) > 1e-9:
            raise ValueError("the shares of the alternatives must leave something for the last: below 100 % in all")

    def show(self, unit: str = "") -> str:
        """As a person reads it, after `NAME is `."""
        if len(self.clauses) == 1:
            return self.clauses[0].show(unit)
        parts = [clause.show(unit) for clause in self.clauses]
        said = [f"{part} ({written(p)} %)" for part, p in zip(parts[:-1], self.percents, strict=False)]
        return f"either {' or '.join(said)} or {parts[-1]}"

    @classmethod
    def read(cls, text: str, unit: str = "") -> Marginal:
        """The inverse of `show`; a unit may be left out, but not be another.

        Raises:
            ValueError: naming what cannot be read, or the unit that disagrees.
        """
        text = " ".join(text.split()).strip().rstrip(".")
        if not re.match(r"(?i)either\b", text):
            return cls((_read_clause(text, unit),))
        parts = re.split(r"(?i)\s*\(([-+0-9.eE]+)\s*%\)\s*,?\s*or\s+", text[len("either") :].strip())
        if len(parts) < 3:
            raise ValueError(f"“{text}” needs a share before each or: either A (70 %) or B")
        shares = [float(part) for part in parts[1::2]]
        clauses = tuple(_read_clause(re.sub(r"\s*\([-+0-9.eE]+\s*%\)$", "", part), unit) for part in parts[::2])
        return cls(clauses, (*shares, _rest(shares)))

    def log_density(self, x: Floats, lower: float, upper: float) -> Floats:
        """log p(x), nats per unit of the parameter."""
        parts = [
            np.log(p / 100.0) + clause.distribution(lower, upper).logpdf(x)
            for clause, p in zip(self.clauses, self.percents, strict=True)
        ]
        return np.asarray(special.logsumexp(np.stack(parts), axis=0) if len(parts) > 1 else parts[0])

    def to_normal(self, x: Floats, lower: float, upper: float) -> Floats:
        """t = Φ⁻¹(F(x)): the standard normal that the parameter is, stretched."""
        alone = self.clauses[0] if len(self.clauses) == 1 else None
        if alone and (straight := _straight(alone, lower, upper)):
            with np.errstate(invalid="ignore", divide="ignore"):
                return np.asarray((straight[2](x) - straight[0]) / straight[1])
        below, above = np.zeros_like(x, dtype=float), np.zeros_like(x, dtype=float)
        for clause, p in zip(self.clauses, self.percents, strict=True):
            found = clause.distribution(lower, upper)
            below += p / 100.0 * found.cdf(x)
            above += p / 100.0 * found.sf(x)
        tiny = np.finfo(float).tiny
        lower_half = special.ndtri(np.maximum(below, tiny))
        return np.asarray(np.where(below < 0.5, lower_half, -special.ndtri(np.maximum(above, tiny))))

    def from_normal(self, t: Floats, lower: float, upper: float) -> Floats:
        """x = F⁻¹(Φ(t)), the inverse of `to_normal`."""
        if len(self.clauses) == 1:
            alone = self.clauses[0]
            if straight := _straight(alone, lower, upper):
                x = straight[0] + straight[1] * np.asarray(t)
                return np.asarray(np.exp(x) if alone.form is Form.FACTOR else x)
            found = alone.distribution(lower, upper)
            return np.asarray(np.where(t < 0, found.ppf(special.ndtr(t)), found.isf(special.ndtr(-np.asarray(t)))))
        ends = [clause.distribution(lower, upper) for clause in self.clauses]
        low = np.full(np.shape(t), min(float(d.ppf(1e-15)) for d in ends))
        high = np.full(np.shape(t), max(float(d.isf(1e-15)) for d in ends))
        for _ in range(70):  # halving: 70 steps take any interval below the spacing of doubles
            middle = 0.5 * (low + high)
            left = self.to_normal(middle, lower, upper) < t
            low, high = np.where(left, middle, low), np.where(left, high, middle)
        return np.asarray(0.5 * (low + high))

    def moments(self, lower: float, upper: float) -> tuple[float, float]:
        """Mean and standard deviation."""
        found = [clause.distribution(lower, upper).stats("mv") for clause in self.clauses]
        share = np.array(self.percents) / 100.0
        means, variances = np.array([float(m) for m, _ in found]), np.array([float(v) for _, v in found])
        mean = float(share @ means)
        return mean, float(np.sqrt(share @ (variances + (means - mean) ** 2)))


def _rest(shares: list[float]) -> float:
    """What is left for the last alternative, free of the noise of subtracting decimals."""
    return round(100.0 - sum(shares), 9)


def _straight(clause: Clause, lower: float, upper: float) -> tuple[float, float, Any] | None:
    """(location, scale, function) where t is exactly (function(x) − location)/scale."""
    a, b = clause.numbers[:2]
    if clause.form is Form.FACTOR and lower <= 0.0 and math.isinf(upper):
        return math.log(a), math.log(b), np.log
    if clause.form is Form.ABOUT and a - FAR * b > lower and a + FAR * b < upper:
        return a, b, np.asarray
    return None


@lru_cache(maxsize=4096)
def _distribution(form: Form, numbers: tuple[float, ...], lower: float, upper: float) -> Any:
    a, b = numbers[:2]
    if form is Form.BETWEEN:
        return stats.uniform(a, b - a)
    if form is Form.LIKELY:
        return stats.triang((numbers[2] - a) / (b - a), loc=a, scale=b - a)
    if form is Form.FACTOR:
        return stats.lognorm(math.log(b), scale=a)
    if form is Form.CASES:
        return stats.beta(a * b, (1.0 - a) * b)
    if form is Form.EVENTS:
        return stats.gamma(b, scale=a / b)
    if a - FAR * b > lower and a + FAR * b < upper:
        return stats.norm(a, b)
    return stats.truncnorm((lower - a) / b, (upper - a) / b, loc=a, scale=b)


def written(x: float) -> str:
    """A number with as few digits as read back to the same number.

    >>> written(2.40), written(12000.0), written(1e-07)
    ('2.4', '12000', '1e-07')
    """
    return str(int(x)) if x == int(x) and abs(x) < 1e15 else repr(float(x))


# Possessive: else a line of many digits could be cut in millions of ways before it is refused.
_NUMBER = r"([-+−]?(?:\d++\.?\d*+|\.\d++)(?:[eE][-+]?\d++)?+)"
_UNIT = r"((?:(?!,|\bgive\b|\bas after\b|\band\b).)*?)"
_PATTERNS = {
    Form.LIKELY: rf"between {_NUMBER}{_UNIT} and {_NUMBER}{_UNIT},? most likely {_NUMBER}{_UNIT}",
    Form.BETWEEN: rf"(?:uniform |anywhere )?between {_NUMBER}{_UNIT} and {_NUMBER}{_UNIT}",
    Form.FACTOR: rf"about {_NUMBER}{_UNIT},? give or take a factor of {_NUMBER}{_UNIT}",
    Form.ABOUT: rf"about {_NUMBER}{_UNIT},? (?:give or take|±) {_NUMBER}{_UNIT}",
    Form.CASES: rf"about {_NUMBER}{_UNIT},? as after {_NUMBER}() cases?",
    Form.EVENTS: rf"about {_NUMBER}{_UNIT},? as after {_NUMBER}() events?",
}
_COMPILED = {form: re.compile(pattern, re.IGNORECASE) for form, pattern in _PATTERNS.items()}


def _read_clause(text: str, unit: str) -> Clause:
    text = text.strip().rstrip(",.")
    for form, pattern in _COMPILED.items():
        found = pattern.fullmatch(text)
        if found is None:
            continue
        groups = found.groups()
        for said in groups[1::2]:
            if (said or "").strip() not in ("", unit):
                raise ValueError(f"the unit “{said.strip()}” where the parameter's is “{unit or 'none'}”")
        return Clause(form, tuple(float(number.replace("−", "-")) for number in groups[::2]))
    raise ValueError(f"“{text}” is none of: {', '.join(EXAMPLES)}")


EXAMPLES = (
    "between 2 and 3",
    "between 2 and 3, most likely 2.4",
    "about 6.5, give or take 0.5",
    "about 3, give or take a factor of 1.5",
    "about 0.4, as after 20 cases",
    "about 3.2, as after 14 events",
    "either A (70 %) or B",
)
"""One of every form, for messages."""
