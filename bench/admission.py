"""Admission: generated students, a rule behind them, and a person whose common sense helps, or is plainly wrong.

The person takes good grades, publications, letters and activities to speak for a student. In `admission` the rule
agrees; in `admission_reversed` it is the other way round, and 200 rows must overrule the person.

*Recovered* means: on every combination of the values that the features take, z* (read by M_L) admits exactly the
students that the true rule of `metadata.json` admits.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bench.admission_rules import Rule, Student, by_majority, combinations
from bench.figure import Bench, Row, at_least
from bench.runs import Finished, finish, from_toml, right
from imitative.data import Table
from imitative.direct_fits import DIRECT_FITS, answer
from imitative.loaded import LoadedProblem

FAMILIES = {"admission": "admission", "admission_reversed": "admission, reversed"}
SEEDS = (0, 1, 2)
BUDGET = 200
SIZES = (10, 20, 50, 100, 200)
WEIGHTS = (1 / 3, 1.0, 3.0)
"""Prior weights: a row counts 1 / weight (`Settings.evidence`), so that the prior counts that much more beside it."""
ON_THE_CURVE = ("depth_2", "size_5")
"""The sets with more than one feature in the rule: the others leave nothing to learn from 20 rows on."""
_TREE = "decision tree"
GRADES = ["F", "D", "C", "B", "A"]
"""From the worst to the best."""
_SPOKEN = {
    "math": "the grade in mathematics",
    "english": "the grade in English",
    "num_publications": "the number of publications",
    "num_letters": "the number of recommendation letters",
    "num_activities": "the number of strong activities",
}
_ANSWERS = {"rejected": "the student is rejected", "admitted": "the student is admitted"}
_ARTICLES = {"A": "an A", "B": "a B", "C": "a C", "D": "a D", "F": "an F"}


class Person(NamedTuple):
    """What is said of the simulated person beside what they believe.

    Args:
        tolerance: τ of `Simulated`: how far from a belief a claim may be before it loses half a nat.
        length: nats a sentence costs, and half of it for every further condition.
        irrelevant: nats a condition gains for speaking of a feature, whichever it is.
    """

    tolerance: float
    length: float
    irrelevant: float


PERSON = Person(4.0, 2.0, 0.0)
"""Rules may be definite, the strongest word of the scale costing half a nat where nothing is believed; a rule that is
a sentence longer is e² times less plausible; no feature is nearer to an office's heart than another. Chosen among those
of `admission_person.py`, on offices that were invented for it."""


class Set(NamedTuple):
    """One folder of students.

    Args:
        name: `level_2/depth_2`.
        loaded: D the training rows, D′ the test rows.
        students: every combination of values that the rule is compared on.
        admitted: what the true rule says of each; None where it is not known.
        source: where the true rule comes from.
        agrees: the share of the rows of all splits that the rule says what they say.
    """

    name: str
    loaded: LoadedProblem
    students: Sequence[Student]
    admitted: Sequence[bool | None]
    source: str
    agrees: float


def admission(bench: Bench) -> Iterator[Row]:
    """Accuracy on the test rows against a decision tree's, and whether the rule is recovered: by family."""
    for family, title in FAMILIES.items():
        found: dict[str, dict[str, Any]] = {}
        for each in sets(bench.data, family):
            runs = [finish(bench, each.loaded, seed) for seed in SEEDS]
            trees = [tree_accuracy(each.loaded, seed) for seed in SEEDS]
            found[each.name] = {
                "ours": float(np.mean([run.accuracy for run in runs])),
                _TREE: float(np.mean(trees)),
                "worst": min(run.accuracy for run in runs),
                "recovered": [recovered(run, each) for run in runs],
                "rule": each.source,
                "rule agrees with the rows": each.agrees,
                "hypothesis": runs[0].text,
                "judgements": max(run.asked for run in runs),
            }
            bench.say(f"{title}, {each.name}: {found[each.name]['ours']:.3f} against {found[each.name][_TREE]:.3f}")
        if not found:
            raise ValueError(f"no sets of students in {bench.data / family}")
        ours, trees_mean = (float(np.mean([row[key] for row in found.values()])) for key in ("ours", _TREE))
        behind = [name for name, row in found.items() if row["ours"] < row[_TREE] - 1e-12]
        detail = {"seeds": list(SEEDS), "sets": found, "sets below the tree": behind}
        yield at_least(f"{title}: mean test accuracy", ours, trees_mean, detail)
        again = [hit for row in found.values() for hit in row["recovered"]]
        each_set = {name: float(np.mean(row["recovered"])) for name, row in found.items()}
        yield at_least(f"{title}: true rule recovered, share of runs", float(np.mean(again)), 1.0, {"by set": each_set})


def curve(bench: Bench) -> Iterator[Row]:
    """Accuracy against the number of training rows, for three weights of the prior."""
    for family, title in FAMILIES.items():
        chosen = [each for each in sets(bench.data, family) if each.name.split("/")[-1] in ON_THE_CURVE]
        table: dict[str, dict[str, float]] = {}
        trees: dict[str, float] = {}
        for n in SIZES:
            fewer = [_fewer(each.loaded, n) for each in chosen]
            trees[str(n)] = float(np.mean([tree_accuracy(loaded, 0) for loaded in fewer]))
            for weight in WEIGHTS:
                settings = [replace(loaded.settings, evidence=1.0 / weight) for loaded in fewer]
                accuracies = [
                    finish(bench, loaded, 0, settings=changed).accuracy
                    for loaded, changed in zip(fewer, settings, strict=True)
                ]
                table.setdefault(f"{weight:.3g}", {})[str(n)] = float(np.mean(accuracies))
            bench.say(f"{title}, {n} rows: {[round(found[str(n)], 3) for found in table.values()]}")
        first, last = str(SIZES[0]), str(SIZES[-1])
        rises = all(found[last] >= found[first] for found in table.values())
        detail = {"prior weight → rows → accuracy": table, _TREE: trees, "sets": [each.name for each in chosen]}
        yield Row(f"{title}: accuracy from {last} rows", table["1"][last], "rises with rows", rises, detail)


def recovered(run: Finished, each: Set) -> bool:
    """Whether z* admits exactly whom the true rule admits."""
    problem = each.loaded.problem
    table = Table.of(problem.space.features, each.students)
    chances = run.induced.reading.log_probabilities(table, run.induced.best, problem.answers)
    admitted = chances.argmax(axis=1) == problem.answers.index("admitted")
    return all(truth is None or truth == said for truth, said in zip(each.admitted, admitted.tolist(), strict=True))


def tree_accuracy(loaded: LoadedProblem, seed: int) -> float:
    """The accuracy on D′ of a decision tree fitted to D."""
    problem = loaded.problem
    labels = answer({_TREE: DIRECT_FITS[_TREE]}, problem.labelled, problem.unlabelled, seed)[_TREE]
    return right(loaded, labels)


def _fewer(loaded: LoadedProblem, n: int) -> LoadedProblem:
    """The first n training rows (the generator's rows are in random order); with both answers among them, n or more."""
    answers = loaded.problem.labelled.answers
    while n < len(answers) and len(np.unique(answers[:n])) < 2:
        n += 1
    return replace(
        loaded, problem=replace(loaded.problem, labelled=loaded.problem.labelled.take(np.arange(n)[: len(answers)]))
    )


# -- the files ---------------------------------------------------------------------------------------------------------


def sets(data: Path, family: str) -> Iterator[Set]:
    """Every folder of the family with a training table, in the order of its name."""
    for train in sorted((data / family).glob("**/*_train.json")):
        yield _set(train, data / family)


def _set(train: Path, root: Path) -> Set:
    label = _label(train)
    splits = [json.loads(path.read_text("utf-8")) for path in sorted(train.parent.glob("*_*.json"))]
    columns = [name for name in splits[0] if name != label]
    students: list[Student] = [
        {name: cell if isinstance(cell, str) else float(cell) for name, cell in zip(columns, cells, strict=True)}
        for split in splits
        for cells in zip(*(split[name] for name in columns), strict=True)
    ]
    admitted = [cell == "admitted" for split in splits for cell in split[label]]
    rule, source = _rule(train.parent / "metadata.json", columns, students, admitted)
    every = combinations(students)
    return Set(
        train.parent.relative_to(root).as_posix(),
        from_toml(problem_text(train, label, columns, students), train.parent),
        every,
        [rule(student) for student in every],
        source,
        float(np.mean([rule(student) == answered for student, answered in zip(students, admitted, strict=True)])),
    )


def _label(train: Path) -> str:
    """The label's column: as config.yaml names it, else the last."""
    config, columns = train.parent / "config.yaml", list(json.loads(train.read_text("utf-8")))
    lines = config.read_text("utf-8").splitlines() if config.exists() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("label_name:")]
    return named[0] if named and named[0] in columns else str(columns[-1])


def _rule(
    metadata: Path, columns: Sequence[str], students: Sequence[Student], admitted: Sequence[bool]
) -> tuple[Callable[[Student], bool | None], str]:
    """The true rule by its sentences; where they cannot be read, or the rows contradict them, by the rows' majority."""
    said: dict[str, Any] = json.loads(metadata.read_text("utf-8")) if metadata.exists() else {}
    try:
        rule = Rule(said["ground_truth_hypotheses"], columns)
    except (KeyError, ValueError) as error:
        return by_majority(students, admitted), f"the majority of all rows ({error})"
    noise = float(said.get("task_properties", {}).get("noise_level", 0.0))
    agrees = float(np.mean([rule(student) == answered for student, answered in zip(students, admitted, strict=True)]))
    # Noise comes before the rows are balanced: where few are admitted, most of what it flips is kept.
    if agrees < 1.0 - 2.0 * noise - 0.02:
        return by_majority(
            students, admitted
        ), f"the majority of all rows (the sentences fit only {agrees:.2f} of them)"
    return rule, "metadata.json"


def problem_text(
    train: Path, label: str, columns: Sequence[str], students: Sequence[Student], person: Person = PERSON
) -> str:
    """A problem.toml for one folder, with a person of common sense."""
    quoted = json.dumps  # a JSON string is a TOML one
    lines = ["[problem]", f"name = {quoted(f'admission-{train.parent.name}')}"]
    lines += ['question = "Will this student be admitted?"', f"budget = {BUDGET}", "[answers]"]
    lines += [f"{answer} = {quoted(clause)}" for answer, clause in _ANSWERS.items()]
    test = train.with_name(train.name.replace("_train", "_test"))
    lines += ["[labelled]", f"file = {quoted(str(train.absolute()))}", f"answer = {quoted(label)}"]
    lines += ["[unlabelled]", f"file = {quoted(str(test.absolute()))}", f"truth = {quoted(label)}"]
    believes = []
    for name in columns:
        spoken = _SPOKEN.get(name, f"the {name.replace('_', ' ')}")
        values = {student[name] for student in students}
        lines += [f"[features.{quoted(name)}]", f"spoken = {quoted(spoken)}"]
        if values <= set(GRADES):
            words = ", ".join(f"{grade} = {quoted(word)}" for grade, word in _ARTICLES.items())
            lines += ['kind = "ordinal"', f"values = {quoted(GRADES)}", f"words = {{ {words} }}"]
            believes += [
                f"If {spoken} is at least a B, the student is admitted (moderate evidence).",
                f"If {spoken} is below a C, the student is rejected (moderate evidence).",
            ]
        elif not any(isinstance(value, str) for value in values):
            lines += ['kind = "numeric"']
            believes += [
                f"If {spoken} is at least 2, the student is admitted (slight evidence).",
                f"If {spoken} is below 1, the student is rejected (slight evidence).",
            ]
    lines += [
        "[overseer]",
        'kind = "simulated"',
        f"believes = {quoted(believes)}",
        "careless = 0.05",
        f"tolerance = {person.tolerance}",
        f"length = {person.length}",
        f"irrelevant = {person.irrelevant}",
    ]
    return "\n".join(lines) + "\n"
