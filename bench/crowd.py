"""The recorded crowd: how well M_prior predicts people it has not heard, and what z* becomes when they alone judge.

rule_plausibility     5-fold over pairs nobody was heard on: agreement with single judgements, log loss
mushrooms             M_prior from the crowd's comparisons and ratings only; D one habitat, D′ all others
"""

from __future__ import annotations

import csv
import itertools
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from bench.figure import Bench, Row, at_least, mean_and_worst
from bench.mushrooms import HABITATS, habitat
from bench.mushrooms import SEEDS as HABITAT_SEEDS
from bench.runs import finish
from imitative.likelihood import LITERAL
from imitative.preference import Comparisons, Preference, fit_preference
from imitative.records import GRADES
from imitative.rules import Rule, take_apart
from imitative.traits import Encode

Floats = NDArray[np.float64]
FOLDS, SEEDS = 5, (0, 1, 2)
WITHIN = 0.01
"""How far below the crowd's own majority M_prior may agree with a judge."""


# -- what people said ------------------------------------------------------------------------------------------------


class Said(NamedTuple):
    """One person's judgement of two rules."""

    domain: str
    first: str
    second: str
    grade: int
    judge: str

    @property
    def pair(self) -> tuple[str, str, str]:
        """Which pair, whichever rule stood first."""
        return (self.domain, *sorted((self.first, self.second)))  # type: ignore[return-value]


def read_judgements(data: Path) -> list[Said]:
    """All judgements but those on test questions, whose answers people were told."""
    with (data / "rule_plausibility" / "judgements.csv").open(encoding="utf-8", newline="") as file:
        return [
            Said(row["domain"], row["r1"], row["r2"], int(row["pref_r1"]), row["worker"])
            for row in csv.DictReader(file)
            if row["golden"] != "True"
        ]


def majority(said: Sequence[Said]) -> NDArray[np.int64]:
    """For each judgement, which side most *other* judges of the pair prefer: 1, −1, or 0 where they are even."""
    votes: dict[tuple[str, str], int] = defaultdict(int)
    for row in said:
        votes[row.first, row.second] += int(np.sign(row.grade))
        votes[row.second, row.first] -= int(np.sign(row.grade))
    return np.array([np.sign(votes[row.first, row.second] - np.sign(row.grade)) for row in said])


def agreement(score: Floats | NDArray[np.int64], grades: NDArray[np.int64]) -> float:
    """The share of the judgements that were no tie which `score` has the sign of; a score of 0 counts half."""
    decided = grades != 0
    right = np.where(score == 0, 0.5, np.sign(score) == np.sign(grades))
    return float(right[decided].mean()) if decided.any() else float("nan")


# -- the traits of a rule in any words -------------------------------------------------------------------------------

MEANING, CONTRASTS = 40, 3
"""Principal components kept of the clauses' meanings and of the answers'."""


class Scales(NamedTuple):
    """How large, in logits, each kind of trait is expected to be: chosen by evidence on the training folds."""

    length: float = 0.3
    length_here: float = 0.5
    affinity: float = 0.3
    relevance: float = 0.3
    polarity: float = 0.3


CHOICES = tuple(
    Scales(relevance=relevance, polarity=polarity)
    for relevance, polarity in itertools.product((0.1, 0.2, 0.4), (0.05, 0.4))
)


@final
class RuleTraits:
    """M_prior's traits (`traits.py`) for rules in words nobody has listed: clauses stand for conditions.

        φ = [ length | length in this domain | affinity to the answer | Σ_c m(c) | Σ_c m(c) ⊗ v(answer) ]

    Args:
        rules: text → domain.
        encode: the sentence encoder.
    """

    def __init__(self, rules: Mapping[str, str], encode: Encode) -> None:
        self.domain = dict(rules)
        self.rule: dict[str, Rule] = {text: take_apart(text) for text in rules}
        self.domains = sorted(set(rules.values()))
        self._encode = encode

    @cached_property
    def _clauses(self) -> dict[str, int]:
        return {clause: i for i, clause in enumerate(sorted({c for r in self.rule.values() for c in r.clauses}))}

    @cached_property
    def _answers(self) -> dict[tuple[str, str], int]:
        found = sorted({(self.domain[text], rule.answer) for text, rule in self.rule.items()})
        return {answer: i for i, answer in enumerate(found)}

    @cached_property
    def table(self) -> tuple[dict[str, int], Floats, list[slice]]:
        """Each rule's row, the traits (N, d), and where each kind of trait stands, in the order of `Scales`."""
        clauses = np.asarray(self._encode(list(self._clauses)), dtype=np.float64)
        answers = np.asarray(self._encode([answer for _, answer in self._answers]), dtype=np.float64)
        of = np.array([self.domains.index(domain) for domain, _ in self._answers])
        contrast = answers - np.array([answers[of == d].mean(axis=0) for d in range(len(self.domains))])[of]
        meaning, leaning = _principal(clauses - clauses.mean(axis=0), MEANING), _principal(contrast, CONTRASTS)
        affinity = clauses @ contrast.T
        rows = []
        for text, rule in self.rule.items():
            named, answer = [self._clauses[c] for c in rule.clauses], self._answers[self.domain[text], rule.answer]
            here = np.array([len(named) * (domain == self.domain[text]) for domain in self.domains], dtype=np.float64)
            said = meaning[named].sum(axis=0)
            parts = [
                [len(named)], here, [affinity[named, answer].mean()], said, np.outer(said, leaning[answer]).ravel(),
            ]  # fmt: skip
            rows.append([np.asarray(part, dtype=np.float64) for part in parts])
        ends = np.cumsum([0, *map(len, rows[0])])
        found = np.array([np.concatenate(parts) for parts in rows])
        for column in (slice(0, 1), slice(1, ends[2]), slice(ends[2], ends[3])):
            found[:, column] /= found[:, column].std() or 1.0
        index = {text: i for i, text in enumerate(self.rule)}
        return index, found, [slice(a, b) for a, b in itertools.pairwise(ends.tolist())]

    def differences(self, said: Sequence[Said]) -> Floats:
        """φ(first) − φ(second): (C, d)."""
        index, traits, _ = self.table
        return traits[[index[row.first] for row in said]] - traits[[index[row.second] for row in said]]

    def precision(self, scales: Scales) -> Floats:
        """(d,) of the prior on the weights."""
        _, traits, places = self.table
        found = np.ones(traits.shape[1])
        for place, scale in zip(places, scales, strict=True):
            found[place] = scale**-2.0
        return found


def _principal(vectors: Floats, size: int) -> Floats:
    """The leading principal components, scaled to a mean squared norm of 1."""
    left, values, _ = np.linalg.svd(vectors, full_matrices=False)
    kept = left[:, :size] * values[:size]
    return np.asarray(kept / (np.sqrt((kept**2).sum(axis=1).mean()) or 1.0))


# -- unseen pairs ----------------------------------------------------------------------------------------------------


class Predicted(NamedTuple):
    """What was predicted of each judgement from folds that hold no judgement of its pair.

    Args:
        score: (C,) M_prior's preference for the first.
        grades: (C, 5) P(grade) for the judge who gave it.
        constant: (C, 5) the frequencies of the grades in the training folds.
        chosen: the scales each fold took.
    """

    score: Floats
    grades: Floats
    constant: Floats
    chosen: list[Scales]


def cross_validate(said: Sequence[Said], traits: RuleTraits, seed: int) -> Predicted:
    """Predict every judgement from the four fifths of the pairs it does not belong to, domain by domain alike."""
    rows, judges = traits.differences(said), [row.judge for row in said]
    given = np.array([row.grade for row in said])
    fold = _folds(said, seed)
    predicted = Predicted(
        np.zeros(len(said)), np.zeros((len(said), len(GRADES))), np.zeros((len(said), len(GRADES))), []
    )
    for k in range(FOLDS):
        train, test = np.flatnonzero(fold != k), np.flatnonzero(fold == k)
        compared = Comparisons(rows[train], given[train], [judges[i] for i in train])
        scales, fitted = _by_evidence(compared, traits)
        predicted.chosen.append(scales)
        predicted.score[test] = fitted.score(rows[test])
        predicted.constant[test] = [float((given[train] == grade).mean()) for grade in GRADES]
        for i in test:
            predicted.grades[i] = fitted.probabilities(predicted.score[i], judges[i])
    return predicted


def _by_evidence(compared: Comparisons, traits: RuleTraits) -> tuple[Scales, Preference]:
    fits = ((scales, fit_preference(compared, precision=traits.precision(scales))) for scales in CHOICES)
    return max(fits, key=lambda fit: fit[1].log_evidence)


def _folds(said: Sequence[Said], seed: int) -> NDArray[np.int64]:
    """Each judgement's fold: pairs are dealt out within each domain."""
    rng = np.random.default_rng(seed)
    fold: dict[tuple[str, str, str], int] = {}
    for _, pairs in itertools.groupby(sorted({row.pair for row in said}), key=lambda pair: pair[0]):
        those = list(pairs)
        fold |= {those[j]: i % FOLDS for i, j in enumerate(rng.permutation(len(those)))}
    return np.array([fold[row.pair] for row in said])


def unseen_pairs(bench: Bench) -> Iterator[Row]:
    """Agreement with single judgements of pairs nobody was heard on, beside that of the pair's other judges."""
    said = read_judgements(bench.data)
    traits = RuleTraits({text: row.domain for row in said for text in (row.first, row.second)}, bench.encode)
    grades, domain = np.array([row.grade for row in said]), np.array([row.domain for row in said])
    crowd, longer = majority(said), np.array([_longer(traits, row) for row in said])
    folds = []
    for seed in SEEDS:
        folds.append(cross_validate(said, traits, seed))
        bench.say(f"folds of seed {seed}: agreement {agreement(folds[-1].score, grades):.4f}")
    found = [agreement(each.score, grades) for each in folds]
    by_domain = {}
    for name in traits.domains:
        here = domain == name
        by_domain[name] = {
            "judgements": int(here.sum()),
            "M_prior": float(np.mean([agreement(each.score[here], grades[here]) for each in folds])),
            "majority of the others": agreement(crowd[here], grades[here]),
            "the longer rule": agreement(longer[here], grades[here]),
        }
    chosen = Counter(scales for each in folds for scales in each.chosen)
    detail = {
        "seeds": list(SEEDS),
        "each": found,
        **mean_and_worst(found),
        "majority of the other judges": agreement(crowd, grades),
        "the longer rule": agreement(longer, grades),
        "judgements": len(said),
        "ties": int((grades == 0).sum()),
        "how ties count": "agreement is over judgements that were no tie; a predictor that is even counts a half",
        "by domain": by_domain,
        "scales chosen": [[scales._asdict(), times] for scales, times in chosen.most_common()],
    }
    least = agreement(crowd, grades) - WITHIN
    yield at_least("crowd: agreement on unseen pairs", float(np.mean(found)), least, detail)
    place = (np.arange(len(said)), grades - GRADES[0])
    loss, constant = ([float(-np.log(p[place]).mean()) for p in side] for side in _both(folds))
    below = all(ours < theirs for ours, theirs in zip(loss, constant, strict=True))
    over = "the five grades of all judgements, ties included; nats"
    detail = {"seeds": list(SEEDS), "each": loss, "constant": constant, "over": over}
    yield Row("crowd: log loss on unseen pairs", float(np.mean(loss)), f"< {min(constant):.4g}", below, detail)


def _both(folds: Sequence[Predicted]) -> tuple[list[Floats], list[Floats]]:
    return [each.grades for each in folds], [each.constant for each in folds]


def _longer(traits: RuleTraits, row: Said) -> int:
    return int(np.sign(len(traits.rule[row.first].clauses) - len(traits.rule[row.second].clauses)))


# -- mushrooms, with nobody but the crowd to ask ---------------------------------------------------------------------

CROWD = """
[overseer]
kind = "recorded"

[overseer.comparisons]
file = "data:rule_plausibility/judgements.csv"
where = { domain = "mushroom", golden = "False" }
first = "r1"
second = "r2"
preference = "pref_r1"
judge = "worker"

[overseer.ratings]
file = "data:rule_plausibility/mushroom_attribute_importance.csv"
item = "orig"
judge = "worker"
"""


def crowd_mushrooms(bench: Bench) -> Iterator[Row]:
    """D′ accuracy with M_prior fitted to the recorded crowd alone; all else as with the simulated person."""
    found: dict[str, dict[str, Any]] = {}
    for code, name in HABITATS.items():
        loaded = habitat(code, bench.data, CROWD)
        labelled = loaded.problem.labelled
        runs = [finish(bench, loaded, seed) for seed in HABITAT_SEEDS]
        literal = [LITERAL.answered(labelled.table, run.induced.best, labelled.names) for run in runs]
        found[name] = {
            "seeds": [run.accuracy for run in runs],
            "labelled": [float((said == labelled.answers).mean()) for said in literal],
            "rows of D": len(labelled),
            "judgements": max(run.asked for run in runs),
            "hypotheses": [run.text for run in runs],
        }
        bench.say(f"{name}, the crowd alone: D′ accuracy {', '.join(f'{run.accuracy:.3f}' for run in runs)}")
    total = mean_and_worst([accuracy for row in found.values() for accuracy in row["seeds"]])
    figure = "mushrooms: D′ accuracy, M_prior from the recorded crowd alone"
    yield at_least(figure, total["mean"], 0.80, {**total, "seeds": list(HABITAT_SEEDS), "each": found})
