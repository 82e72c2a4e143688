"""What is learned from judges of whom a third always click left, which pairs to ask them about, and how far they agree.

One simulated crowd for both rankings, chosen so that others' models say of it about what was measured of them (plain
Bradley–Terry .730, crowd-kit's NoisyBradleyTerry .762, random pairs at 240 .699):

    items          30, with true scores N(0, 1.9²) logits
    judges         15 in turn; the first 5 always say *left*, the others σ(s(left) − s(right)): no ties, no grades
    comparisons    480 of random pairs in random order; for the choice of pairs 240, by our model either way

On the 50 seeds here plain Bradley–Terry makes .738 (choix and our own fit alike), crowd-kit 1.4.2's NoisyBradleyTerry
.752 (measured in an environment of its own: it is not installed with this benchmark), and random pairs at 240 make .712
by our model, each with a standard error of .008. Fewer judges or sharper ones come nearer to the one number and further
from another, and are easier to rank by.
"""

from __future__ import annotations

import itertools
import math
import time
import warnings
from collections.abc import Callable, Iterator

import choix
import krippendorff
import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from scipy.stats import kendalltau
from sklearn.metrics import cohen_kappa_score

from bench.figure import SIGNIFICANT, Bench, Row, at_least, paired_p
from imitative.agreement import Level, cohen_kappa, gwet_ac2, krippendorff_alpha
from imitative.preference import Comparisons, Preference, fit_preference
from imitative.preference.pairs import Comparable, informative_pairs, random_pairs

Floats = NDArray[np.float64]
ITEMS, JUDGES, CLICKERS, SPREAD = 30, 15, 5, 1.9
MANY, FEW, AT_ONCE = 480, 240, 5
"""Comparisons of the two figures, and after how many new ones the next pairs are chosen."""
SEEDS = range(50)
TABLES = 1_000


class Crowd:
    """The simulated crowd.

    Args:
        seed: of the truth and of what is said.
    """

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng([seed, 1])
        self.truth = self._rng.normal(size=ITEMS) * SPREAD
        self.pairs: list[Comparable] = []
        self.said: list[int] = []

    @property
    def judges(self) -> list[str]:
        """Who said each, in turn."""
        return [f"judge {i % JUDGES}" for i in range(len(self.said))]

    def judge(self, pair: Comparable) -> None:
        """Ask the next in turn."""
        chance = expit(self.truth[pair.first] - self.truth[pair.second])
        honest = 1 if self._rng.random() < chance else -1
        self.said.append(1 if len(self.said) % JUDGES < CLICKERS else honest)
        self.pairs.append(pair)

    def fit(self, aware: bool = True) -> Preference:
        """Our model, aware of the judges or plain."""
        rows = np.zeros((len(self.pairs), ITEMS))
        for row, pair in zip(rows, self.pairs, strict=True):
            row[pair.first], row[pair.second] = 1.0, -1.0
        compared = Comparisons(rows, self.said, self.judges)
        return fit_preference(compared, judges_model="each" if aware else "none")

    def tau(self, scores: Floats) -> float:
        """Kendall's τ with the truth."""
        return float(kendalltau(scores, self.truth)[0])


def drawn(seed: int, count: int) -> Crowd:
    """A crowd that was asked about random pairs, each drawn by itself."""
    crowd, rng = Crowd(seed), np.random.default_rng([seed, 2])
    for _ in range(count):
        first, second = rng.choice(ITEMS, 2, replace=False).tolist()
        crowd.judge(Comparable(first, second))
    return crowd


def chosen(seed: int, count: int) -> Crowd:
    """A crowd that was asked about one tour of the items, and then about the most telling pairs."""
    crowd, rng = Crowd(seed), np.random.default_rng([seed, 3])
    for pair in random_pairs(ITEMS, ITEMS, rng):
        crowd.judge(pair)
    while len(crowd.said) < count:
        for pair in informative_pairs(crowd.fit(), np.eye(ITEMS), min(AT_ONCE, count - len(crowd.said)), rng):
            crowd.judge(pair)
    return crowd


def left_clickers(bench: Bench) -> Iterator[Row]:
    """A third of the judges always click left: how well are the items ranked?"""
    crowds = [drawn(seed, MANY) for seed in SEEDS]
    ours = [crowd.tau(crowd.fit().mean) for crowd in crowds]
    plain = [crowd.tau(crowd.fit(aware=False).mean) for crowd in crowds]
    theirs = [crowd.tau(choix.opt_pairwise(ITEMS, _won(crowd), alpha=0.5)) for crowd in crowds]
    detail = {
        "ours": ours, "plain Bradley–Terry": float(np.mean(plain)), "choix": float(np.mean(theirs)),
        "p, better than plain": paired_p(ours, plain), "standard error": _error(ours),
    }  # fmt: skip
    figure = f"left-clickers: τ, {MANY} comparisons of {ITEMS} items"
    yield at_least(figure, float(np.mean(ours)), 0.79, detail, also=paired_p(ours, plain) < SIGNIFICANT)


def _won(crowd: Crowd) -> list[tuple[int, int]]:
    sides = zip(crowd.pairs, crowd.said, strict=True)
    return [(pair.first, pair.second) if grade > 0 else (pair.second, pair.first) for pair, grade in sides]


def active_pairs(bench: Bench) -> Iterator[Row]:
    """Pairs chosen for what they tell against pairs drawn at random, in the same crowd, by the same model."""
    random = [(crowd := drawn(seed, FEW)).tau(crowd.fit().mean) for seed in SEEDS]
    bench.say(f"random: {np.mean(random):.3f}")
    started = time.perf_counter()
    active = [(crowd := chosen(seed, FEW)).tau(crowd.fit().mean) for seed in SEEDS]
    each = (time.perf_counter() - started) / (len(SEEDS) * (FEW - ITEMS) / AT_ONCE)
    detail = {"active": active, "random": random, "standard error": _error(active), "seconds a choice": each}
    yield at_least(f"active-pairs: τ, {FEW} comparisons of {ITEMS} items", float(np.mean(active)), 0.75, detail)
    p, better = paired_p(active, random), float(np.mean(active) - np.mean(random))
    target = f"> 0, p < {SIGNIFICANT:g} over {len(SEEDS)} seeds"
    yield Row("active-pairs: τ above random pairs", better, target, better > 0 and p < SIGNIFICANT, {"p": p})


def _error(values: list[float]) -> float:
    return float(np.std(values, ddof=1) / math.sqrt(len(values)))


# -- agreement -------------------------------------------------------------------------------------------------------

LEVELS: tuple[Level, ...] = ("nominal", "ordinal", "interval")
GRADES = [-2.0, -1.0, 0.0, 1.0, 2.0]


def agreement(bench: Bench) -> Iterator[Row]:
    """α, κ and AC2 of random tables with gaps against the krippendorff package, scikit-learn and a count by pairs."""
    tables = [random_table(np.random.default_rng([seed, 4])) for seed in range(TABLES)]
    compared: dict[str, Callable[[Floats, Level], tuple[float, float]]] = {
        "Krippendorff's α, to the krippendorff package": _alphas,
        "Cohen's κ, to scikit-learn": _kappas,
        "Gwet's AC2, to a count by pairs": _ac2s,
    }
    for name, both in compared.items():
        furthest, undefined = 0.0, 0
        for table, level in itertools.product(tables, LEVELS):
            ours, theirs = both(table, level)
            undefined += not math.isfinite(ours)
            if math.isfinite(ours) != math.isfinite(theirs):
                furthest = math.inf
            elif math.isfinite(ours):
                furthest = max(furthest, abs(ours - theirs))
        detail = {"tables": TABLES, "levels": list(LEVELS), "undefined by both": undefined}
        yield Row(f"agreement: {name}", furthest, "≤ 1e-09", furthest <= 1e-9, detail)


def random_table(rng: np.random.Generator) -> Floats:
    """Up to 8 judges, up to 60 units, some agreement, up to nine in ten answers missing."""
    judges, units = int(rng.integers(2, 9)), int(rng.integers(2, 61))
    own = rng.choice(GRADES, size=(judges, units))
    table = np.where(rng.random((judges, units)) < rng.random(), rng.choice(GRADES, size=units), own)
    table[rng.random((judges, units)) < 0.9 * rng.random()] = math.nan
    return np.asarray(table)


def _alphas(table: Floats, level: Level) -> tuple[float, float]:
    found = krippendorff_alpha(table, level).value
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            theirs = float(krippendorff.alpha(table, level_of_measurement=level))
        except (AssertionError, ValueError):  # of one value, or none
            theirs = math.nan
    return math.nan if found is None else found, theirs


def _kappas(table: Floats, level: Level) -> tuple[float, float]:
    found = cohen_kappa(table[0], table[1], level, GRADES).value
    both = table[:2, ~np.isnan(table[:2]).any(axis=0)].astype(int)
    weights = {"nominal": None, "ordinal": "linear", "interval": "quadratic"}[level]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        labels = [int(grade) for grade in GRADES]
        theirs = cohen_kappa_score(both[0], both[1], labels=labels, weights=weights) if both.size else math.nan
    return math.nan if found is None else found, float(theirs)


def _ac2s(table: Floats, level: Level) -> tuple[float, float]:
    found = gwet_ac2(table, level, GRADES).value
    return math.nan if found is None else found, _counted_ac2(table, level)


def _counted_ac2(table: Floats, level: Level) -> float:
    """AC2 as Gwet's chapter 5 puts it, pair by pair."""
    q = len(GRADES)

    def weight(a: float, b: float) -> float:
        if level == "nominal":
            return float(a == b)
        if level == "ordinal":
            return 1.0 - math.comb(abs(GRADES.index(a) - GRADES.index(b)) + 1, 2) / math.comb(q, 2)
        return 1.0 - (a - b) ** 2 / (GRADES[-1] - GRADES[0]) ** 2

    said = [[x for x in unit if not math.isnan(x)] for unit in table.T.tolist()]
    seen = [np.mean([weight(a, b) for a, b in itertools.permutations(each, 2)]) for each in said if len(each) > 1]
    if not seen:
        return math.nan
    shares = np.mean([[each.count(k) / len(each) for k in GRADES] for each in said if each], axis=0)
    chance = sum(weight(a, b) for a in GRADES for b in GRADES) / (q * (q - 1)) * float(shares @ (1.0 - shares))
    return float((np.mean(seen) - chance) / (1.0 - chance))
