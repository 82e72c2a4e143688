"""Reviews: D are film reviews, D′ the same kind of reviews with their sentiment turned round by people.

Nobody can be asked: the overseer is a record of what ten people each said of single words, and who reads z* on D′ is
its literal reading. Two things are asked of one z: that it holds on reviews as they are written, where fitting D
directly is hard to beat, and on revised ones, where every clue that is no reason misleads.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.figure import Bench, Row, at_least
from bench.runs import EXAMPLES, from_toml, literal_accuracy, right
from imitative.config import load_problem
from imitative.data import Feature, FeatureKind, Table
from imitative.hypotheses.conditions import Relation
from imitative.induction import induce
from imitative.loaded import LoadedProblem
from imitative.traits import NEGATION

ORIGINAL, REVISED = 0.85, 0.83
SHOWN = 40
"""Statements of z* kept in the detail, the strongest first."""


def reviews(bench: Bench) -> Iterator[Row]:
    """Accuracy on the original test and on the revised dev reviews, beside direct fits and the lexicon."""
    file = EXAMPLES / "reviews" / "problem.toml"
    revised = load_problem(file, bench.data)
    original = _with_questions(bench, revised, "reviews/original/test.tsv")
    started = time.perf_counter()
    induced = induce(
        revised.problem,
        revised.build_overseer(0),
        seed=revised.seed,
        budget=revised.budget,
        encode=bench.encode,
        settings=revised.settings,
    )
    seconds = time.perf_counter() - started
    z, space = induced.best, revised.problem.space
    strongest = sorted(z.statements, key=lambda statement: -statement.strength.nats)
    detail: dict[str, Any] = {
        "statements": len(z.statements),
        "of them about negations": sum(s.conditions[0].relation is Relation.NEGATES for s in z.statements),
        "judgements": induced.ledger.asked_in_all,
        "words z may mention": sum(map(len, space.words.values())),
        "induction": seconds,
        "stages": induced.seconds,
        "the strongest": [space.show_statement(statement) for statement in strongest[:SHOWN]],
    }
    found: dict[str, tuple[float, dict[str, float]]] = {}
    for name, loaded in (("original test", original), ("revised dev", revised)):
        found[name] = (
            literal_accuracy(loaded, z),
            {
                "tf-idf and logistic regression": right(loaded, direct_fit(revised, loaded.problem.unlabelled)),
                "the lexicon alone": right(loaded, lexicon_alone(revised, loaded.problem.unlabelled)),
            },
        )
        bench.say(f"{name}: {found[name][0]:.3f}, {found[name][1]}")
    for name, least in (("original test", ORIGINAL), ("revised dev", REVISED)):
        accuracy, others = found[name]
        yield at_least(f"reviews: accuracy on the {name}", accuracy, least, {**others, **detail})


def _with_questions(bench: Bench, loaded: LoadedProblem, file: str) -> LoadedProblem:
    """The same problem with other questions for D′."""
    text = (EXAMPLES / "reviews" / "problem.toml").read_text("utf-8")
    return from_toml(text.replace("reviews/revised/dev.tsv", file), bench.data)


def _review(table: Table) -> Feature:
    """The text; the other feature is the grade that some texts hold."""
    [found] = [feature for feature in table.features if feature.kind is FeatureKind.TEXT]
    return found


def direct_fit(loaded: LoadedProblem, table: Table) -> NDArray[np.int64]:
    """Words by tf-idf, and logistic regression on D: answers as indices."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    labelled = loaded.problem.labelled
    feature = _review(labelled.table)
    model = make_pipeline(TfidfVectorizer(), LogisticRegression(C=10.0, max_iter=1000))
    model.fit(labelled.table.texts(feature.name), labelled.answers)
    return np.asarray(model.predict(table.texts(feature.name)), dtype=np.int64)


def lexicon_alone(loaded: LoadedProblem, table: Table) -> NDArray[np.int64]:
    """The sum of the ratings of the words a review mentions, negated ones turned round: answers as indices."""
    index = table.mentions(_review(loaded.problem.labelled.table).name)
    total = np.zeros(len(table))
    for line in files("vaderSentiment").joinpath("vader_lexicon.txt").read_text("utf-8").splitlines():
        word, rating, *_ = line.split("\t")
        total[index.rows(word)] += float(rating)
        total[index.rows(word, negated=True)] += NEGATION * float(rating)
    return (total > 0).astype(np.int64)
