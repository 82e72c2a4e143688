"""Beliefs: a hypothesis that is a whole distribution over named parameters, written in words.

    R0 is between 2 and 3, most likely 2.4.
    The serial interval is about 6.5 days, give or take 0.5.
    When R0 is high, the effect of lockdown is larger.

One sentence for each parameter (`marginal.py` says what each clause means) and any number for the dependences. Every
parameter θ_j is a standard normal t_j, stretched: θ_j = F_j⁻¹(Φ(t_j)). `When A is high, B is larger` says, other things
equal, that t_B rises by ρ = 0.5 with each unit of t_A; the adverb sets |ρ| (`DEGREES`):

    t_B = Σ_(sentences A → B) ρ_AB·t_A + s_B·ε_B,      s_B² = 1 − variance of the sum, so that t_B is standard too

Sentences must not go in a circle, nor explain more of a parameter than there is (s_B² > 0). With one sentence about B,
ρ is the correlation of the two.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, final

import numpy as np
from scipy import stats
from scipy.special import ndtri

from imitative.hypotheses.marginal import Clause, Floats, Form, Marginal
from imitative.hypotheses.space import Neighbour

DEGREES = {"slightly": 0.25, "": 0.5, "much": 0.75, "far": 0.9, "always": 0.97}
"""Adverb → |ρ|. Alone they say ½·log(1/(1−ρ²)) = 0.03, 0.14, 0.41, 0.83 and 1.4 nats."""
LEAST_LEFT = 1e-3
"""What must be left of a parameter's variance when everything said of it is taken away."""


@final
@dataclass(frozen=True, slots=True)
class Parameter:
    """A number that is not known.

    Args:
        name: as it is spoken in the middle of a sentence, `R0` or `the serial interval`.
        unit: of the number, `days`; empty for none.
        sentence: what it is, `the number of people one case infects`.
        lower, upper: where it must end.
    """

    name: str
    unit: str = ""
    sentence: str = ""
    lower: float = -math.inf
    upper: float = math.inf


@final
@dataclass(frozen=True, slots=True)
class Dependence:
    """`When FIRST is high, SECOND is ADVERB larger` (or smaller).

    Args:
        first: the name of the parameter that explains.
        second: the one explained.
        adverb: a key of `DEGREES`.
        larger: whether high goes with high.
    """

    first: str
    second: str
    adverb: str
    larger: bool

    @property
    def rho(self) -> float:
        """The correlation of the two standard normals."""
        return DEGREES[self.adverb] * (1.0 if self.larger else -1.0)


@final
@dataclass(frozen=True, slots=True)
class Belief:
    """z: one marginal for each parameter, in the order of the space, and the dependences.

    Args:
        marginals: (d,) what is believed of each.
        dependences: without circles, and leaving something of every parameter unexplained.
    """

    marginals: tuple[Marginal, ...]
    dependences: tuple[Dependence, ...] = ()


@final
@dataclass(frozen=True)
class BeliefSpace:
    """Z: every belief about these parameters.

    Args:
        parameters: the d numbers that are believed something of.

    Raises:
        ValueError: for two parameters of one name, or none.

    >>> space = BeliefSpace((Parameter("R0"), Parameter("the serial interval", "days", lower=0.0)))
    >>> z = space.read('''R0 is between 2 and 3, most likely 2.4.
    ... The serial interval is about 6.5 days, give or take 0.5.
    ... When R0 is high, the serial interval is much larger.''')
    >>> space.read(space.show(z)) == z
    True
    """

    parameters: tuple[Parameter, ...]
    _place: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        places = {parameter.name.lower(): i for i, parameter in enumerate(self.parameters)}
        if len(places) != len(self.parameters) or not places:
            raise ValueError("parameters need different names, and at least one")
        object.__setattr__(self, "_place", places)

    def describe(self) -> dict[str, Any]:
        """Everything that makes this space this space, in plain JSON values; an end that there is none of is null."""
        parameters = [
            {"name": p.name, "unit": p.unit, "sentence": p.sentence, "lower": _end(p.lower), "upper": _end(p.upper)}
            for p in self.parameters
        ]
        return {"kind": "belief", "parameters": parameters}

    @classmethod
    def from_description(cls, row: Mapping[str, Any]) -> BeliefSpace:
        """Rebuild a space from `describe`.

        Raises:
            KeyError, TypeError, ValueError: if `row` is not what `describe` writes.
        """
        return cls(tuple(
            Parameter(
                str(p["name"]), str(p["unit"]), str(p["sentence"]),
                -math.inf if p["lower"] is None else float(p["lower"]),
                math.inf if p["upper"] is None else float(p["upper"]),
            )
            for p in row["parameters"]
        ))  # fmt: skip

    # -- words -------------------------------------------------------------------------------------------------------

    def show(self, z: Belief) -> str:
        """z as a person reads it, a sentence a line."""
        lines = [self.show_marginal(i, marginal) for i, marginal in enumerate(z.marginals)]
        return "\n".join([*lines, *map(_show_dependence, z.dependences)])

    def show_marginal(self, i: int, marginal: Marginal) -> str:
        """The sentence about one parameter."""
        parameter = self.parameters[i]
        return _capital(f"{parameter.name} is {marginal.show(parameter.unit)}.")

    def read(self, text: str) -> Belief:
        """The inverse of `show`. Sentences may come in any order, one a line.

        Raises:
            ValueError: naming the first part that cannot be read, a parameter that is missing or said twice, or
                dependences that make no belief.
        """
        found: dict[int, Marginal] = {}
        dependences: list[Dependence] = []
        for line in filter(None, (line.strip() for line in re.split(r"[\n;]", text))):
            if re.match(r"(?i)when\b", line):
                dependences.append(self.read_dependence(line))
                continue
            i, marginal = self.read_sentence(line)
            if i in found:
                raise ValueError(f"two sentences about {self.parameters[i].name}")
            found[i] = marginal
        missing = [p.name for i, p in enumerate(self.parameters) if i not in found]
        if missing:
            raise ValueError(f"nothing said of {', '.join(missing)}")
        return self.checked(Belief(tuple(found[i] for i in range(len(self.parameters))), tuple(dependences)))

    def read_sentence(self, line: str) -> tuple[int, Marginal]:
        """Which parameter a sentence is about, and what it says of it.

        Raises:
            ValueError: for an unknown parameter, or a clause that cannot be read.
        """
        for i in sorted(range(len(self.parameters)), key=lambda i: -len(self.parameters[i].name)):
            p = self.parameters[i]
            start = re.match(rf"(?i){re.escape(p.name)} is\b", line)
            if start:
                marginal = Marginal.read(line[start.end() :], p.unit)
                self._check_support(p, marginal)
                return i, marginal
        names = ", ".join(p.name for p in self.parameters[:8])
        raise ValueError(f"“{line}” speaks of none of the parameters: {names}; write NAME is …")

    def _check_support(self, p: Parameter, marginal: Marginal) -> None:
        for clause in marginal.clauses:
            if clause.form is Form.ABOUT:  # cut off where the parameter ends: only its middle must be inside
                low = high = clause.numbers[0]
            else:
                low, high = clause.distribution(p.lower, p.upper).support()
            if low < p.lower - 1e-12 or high > p.upper + 1e-12:
                ends = f"from {p.lower:g} to {p.upper:g}"
                raise ValueError(f"“{clause.show(p.unit)}” reaches where {p.name} cannot be: it is {ends}")

    def read_dependence(self, line: str) -> Dependence:
        """What `When A is high, B is larger` says.

        Raises:
            ValueError: for another sentence.
        """
        names = "|".join(re.escape(p.name) for p in sorted(self.parameters, key=lambda p: -len(p.name)))
        adverbs = "|".join(adverb for adverb in DEGREES if adverb)
        pattern = rf"(?i)when ({names}) is (high|low), ({names}) is (?:({adverbs}) )?(larger|smaller)\.?"
        found = re.fullmatch(pattern, line)
        if found is None:
            raise ValueError(f"“{line}” is not: When A is high, B is (slightly, much, far, always) larger or smaller")
        first, level, second, adverb, direction = found.groups()
        said = [self.parameters[self._place[name.lower()]].name for name in (first, second)]
        return Dependence(
            said[0], said[1], (adverb or "").lower(), (direction.lower() == "larger") == (level.lower() == "high")
        )

    def checked(self, z: Belief) -> Belief:
        """z, where its dependences are a forest over these parameters.

        Raises:
            ValueError: otherwise, naming the parameter at fault.
        """
        pairs = [(d.first, d.second) for d in z.dependences]
        twice = next(
            (pair for pair in pairs if pair[0] != pair[1] and (pairs.count(pair) > 1 or pair[::-1] in pairs)), None
        )
        if twice is not None:
            raise ValueError(f"{twice[0]} and {twice[1]} are spoken of twice: keep one of the sentences")
        self.weave(z)
        return z

    def weave(self, z: Belief) -> Floats:
        """The lower-triangular map, rows and columns permuted, with t = weave·ε: (d, d).

        Raises:
            ValueError: for a circle of dependences, or a parameter of which more is explained than there is.
        """
        d = len(self.parameters)
        place = {p.name: i for i, p in enumerate(self.parameters)}
        pull = np.zeros((d, d))
        for each in z.dependences:
            pull[place[each.second], place[each.first]] = each.rho
        woven, left = np.zeros((d, d)), list(range(d))
        while left:
            j = next((j for j in left if not any(pull[j, i] for i in left)), None)
            if j is None:
                names = " and ".join(self.parameters[j].name for j in left[:3])
                raise ValueError(f"{names} depend on each other in a circle: leave one of the sentences out")
            woven[j] = pull[j] @ woven
            rest = 1.0 - float(woven[j] @ woven[j])
            if rest < LEAST_LEFT:
                raise ValueError(f"the dependences explain more of {self.parameters[j].name} than there is: say less")
            woven[j, j] = math.sqrt(rest)
            left.remove(j)
        return woven

    # -- the distribution --------------------------------------------------------------------------------------------

    def draw(self, z: Belief, noise: Floats) -> Floats:
        """θ (n, d) from standard normal noise (n, d): the reparameterisation θ = T_z(ε)."""
        t = self.entangled(z, noise)
        columns = [
            marginal.from_normal(t[:, i], p.lower, p.upper)
            for i, (marginal, p) in enumerate(zip(z.marginals, self.parameters, strict=True))
        ]
        return np.stack(columns, axis=1)

    def entangled(self, z: Belief, noise: Floats) -> Floats:
        """The standard normals t (n, d) with the dependences of z, from independent noise (n, d)."""
        return np.asarray(noise @ self.weave(z).T) if z.dependences else np.asarray(noise)

    def log_density(self, z: Belief, theta: Floats) -> Floats:
        """log z(θ) for θ (n, d): (n,) nats."""
        total = np.zeros(len(theta))
        for i, (marginal, p) in enumerate(zip(z.marginals, self.parameters, strict=True)):
            total += marginal.log_density(theta[:, i], p.lower, p.upper)
        if not z.dependences:
            return total
        t = np.stack(
            [
                m.to_normal(theta[:, i], p.lower, p.upper)
                for i, (m, p) in enumerate(zip(z.marginals, self.parameters, strict=True))
            ],
            axis=1,
        )
        woven = self.weave(z)
        noise = np.linalg.solve(woven, t.T)
        gain = 0.5 * (np.sum(t**2, axis=1) - np.sum(noise**2, axis=0))
        return np.asarray(total - float(np.log(np.diag(woven)).sum()) + gain)

    def summary(self, z: Belief) -> list[tuple[float, float]]:
        """Mean and standard deviation of each parameter."""
        return [m.moments(p.lower, p.upper) for m, p in zip(z.marginals, self.parameters, strict=True)]

    # -- the role of a space -----------------------------------------------------------------------------------------

    def sample(self, rng: np.random.Generator) -> Belief:
        """A random member: any form that fits the support, numbers of any size, any forest."""
        marginals = tuple(_random_marginal(p, rng) for p in self.parameters)
        names = [p.name for p in self.parameters]
        dependences = [
            Dependence(names[int(rng.integers(j))], names[j], str(rng.choice(list(DEGREES))), bool(rng.integers(2)))
            for j in range(1, len(names))
            if rng.random() < 0.3
        ]
        z = Belief(marginals, tuple(dependences))
        try:
            return self.checked(z)
        except ValueError:  # explained to the last: rare, and then nothing is
            return Belief(marginals)

    def neighbours(self, z: Belief) -> Iterator[Neighbour[Belief]]:
        """Every belief one edit away: one number a tenth of its spread up or down, one dependence more or less."""
        for i, marginal in enumerate(z.marginals):
            for k, clause in enumerate(marginal.clauses):
                for n in range(len(clause.numbers)):
                    for sign in (1.0, -1.0):
                        moved = _moved(clause, n, sign)
                        if moved is None or moved == clause:
                            continue
                        clauses = (*marginal.clauses[:k], moved, *marginal.clauses[k + 1 :])
                        one = Marginal(clauses, marginal.percents)
                        try:
                            self._check_support(self.parameters[i], one)
                        except ValueError:
                            continue
                        changed = (*z.marginals[:i], one, *z.marginals[i + 1 :])
                        yield Neighbour(Belief(changed, z.dependences), f"{self.parameters[i].name}: {one.show()}")
        for k, d in enumerate(z.dependences):
            yield Neighbour(replace(z, dependences=(*z.dependences[:k], *z.dependences[k + 1 :])), f"forget {d.second}")
        yield from self._more_dependent(z)

    def _more_dependent(self, z: Belief) -> Iterator[Neighbour[Belief]]:
        for first in self.parameters:
            for second in self.parameters:
                for larger in (True, False):
                    new = Dependence(first.name, second.name, "", larger)
                    try:
                        yield Neighbour(
                            self.checked(replace(z, dependences=(*z.dependences, new))), _show_dependence(new)
                        )
                    except ValueError:
                        continue


def gaussian_noise(n: int, d: int, seed: int) -> Floats:
    """(n, d) standard normals, spread evenly: scrambled Sobol points through Φ⁻¹, centred and scaled in each column."""
    points = stats.qmc.Sobol(d, seed=seed).random(1 << (n - 1).bit_length())[:n]  # even for powers of two only
    noise = ndtri(np.clip(points, 1e-12, 1.0 - 1e-12))
    return np.asarray((noise - noise.mean(axis=0)) / noise.std(axis=0))


def _end(x: float) -> float | None:
    return x if math.isfinite(x) else None


def _show_dependence(d: Dependence) -> str:
    adverb = f"{d.adverb} " if d.adverb else ""
    return f"When {d.first} is high, {d.second} is {adverb}{'larger' if d.larger else 'smaller'}."


def _capital(sentence: str) -> str:
    """A sentence begins with a capital, unless its first word has one of its own or is a sign: `R0`, `pH`, `β`."""
    first = sentence.split(" ", 1)[0]
    return sentence[0].upper() + sentence[1:] if first.isalpha() and first.islower() and len(first) > 1 else sentence


def _random_marginal(p: Parameter, rng: np.random.Generator) -> Marginal:
    clauses = tuple(_random_clause(p, rng) for _ in range(2 if rng.random() < 0.2 else 1))
    share = float(rng.integers(1, 100))
    return Marginal(clauses, (100.0,) if len(clauses) == 1 else (share, _hundred(share)))


def _hundred(share: float) -> float:
    return round(100.0 - share, 9)


def _random_clause(p: Parameter, rng: np.random.Generator) -> Clause:
    size = 10.0 ** rng.uniform(-2, 2)
    if math.isfinite(p.lower) and math.isfinite(p.upper):
        a, c, b = sorted(p.lower + (p.upper - p.lower) * rng.uniform(size=3))
        if p.lower == 0.0 and p.upper == 1.0 and rng.random() < 0.5:
            return Clause(Form.CASES, (_digits(c), _digits(1.0 + size)))
    elif p.lower == 0.0:
        if rng.random() < 0.5:
            return Clause(Form.FACTOR, (_digits(size), _digits(1.1 + rng.random())))
        if rng.random() < 0.5:
            return Clause(Form.EVENTS, (_digits(size), _digits(0.5 + 20.0 * rng.random())))
        a, c, b = sorted(size * rng.uniform(size=3))
    else:
        a, c, b = sorted(size * rng.normal(size=3))
        a, c, b = max(a, p.lower), max(c, p.lower), max(b, p.lower + size)
    if rng.random() < 0.4:
        return Clause(Form.ABOUT, (float(c), _digits(0.05 * size)))
    a, c, b = float(a), float(c), float(b)
    return Clause(Form.LIKELY, (a, b, c)) if rng.random() < 0.5 else Clause(Form.BETWEEN, (a, b))


def _digits(x: float) -> float:
    return float(f"{x:.3g}")


def _moved(clause: Clause, n: int, sign: float) -> Clause | None:
    """One number of a clause a tenth of the clause's own spread away; None where that is no clause."""
    a, b = clause.numbers[:2]
    spread = {Form.BETWEEN: b - a, Form.LIKELY: b - a, Form.ABOUT: b, Form.EVENTS: a / math.sqrt(max(b, 1e-9))}
    if clause.form is Form.CASES:
        step = 0.1 * math.sqrt(a * (1 - a) / (b + 1.0)) if n == 0 else 0.1 * b
    elif clause.form is Form.FACTOR:
        step = 0.1 * a * math.log(b) if n == 0 else 0.1 * (b - 1.0)
    else:
        step = 0.1 * (b if n == 1 and clause.form is Form.EVENTS else spread[clause.form])
    numbers = list(clause.numbers)
    numbers[n] = float(f"{numbers[n] + sign * step:.6g}")
    try:
        return Clause(clause.form, tuple(numbers))
    except ValueError:
        return None
