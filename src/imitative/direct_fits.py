"""Models fitted to D directly, on the columns that hypotheses speak of: what the method is measured against.

The columns are read as each model reads them best. Everything a reading learns (vocabulary, mean, spread, which words
occur) it learns from the rows that are fitted, so that a row held out is as new to it as a row of D′.
"""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from imitative.data import FeatureKind, Floats, Labelled, Table

FITTED = 50_000
"""A baseline is fitted to at most so many rows, drawn by the seed: more moved no figure and took minutes."""

WORDS = 20_000
"""A text column's vocabulary for the direct fits: its so many most frequent words. Pairs of words tripled the time and
added nothing on held-out reviews (0.848 with, 0.849 without)."""

COLUMNS = 200
"""Models that grow trees read at most so many columns: those that tell most about the answer (χ²), chosen on the rows
they are fitted to. Only text has more."""


class Classifier(Protocol):
    """The part of scikit-learn's estimators that is used here."""

    def fit(self, x: Any, y: NDArray[np.int64], /) -> Any:
        """Fit to (N, F) features and (N,) answers."""
        ...

    def predict(self, x: Any, /) -> ArrayLike:
        """(N,) answers."""
        ...


Maker = Callable[[int, int], Classifier]
"""(rows to be fitted, seed) → a classifier."""

RULES = "RuleFit"
"""The rule ensemble of the package imodels; that of Friedman & Popescu, Annals of Applied Statistics 2(3), 2008."""

_READS_FEW = frozenset({"decision tree", "gradient boosting", RULES})
_RULE_ROWS = 2_000  # RuleFit fits thousands of candidate rules by lasso: 10 s at 4,000 rows, and no better for it.


def _logistic(rows: int, seed: int) -> Classifier:
    from sklearn.linear_model import LogisticRegression

    # C = 3 rather than 1: 0.849 against 0.843 on held-out reviews, and nothing lost on columns of words.
    made: Classifier = LogisticRegression(C=3.0, max_iter=300, random_state=seed)
    return made


def _tree(rows: int, seed: int) -> Classifier:
    from sklearn.tree import DecisionTreeClassifier

    made: Classifier = DecisionTreeClassifier(random_state=seed)
    return made


def _boosting(rows: int, seed: int) -> Classifier:
    from sklearn.ensemble import HistGradientBoostingClassifier

    # The library's 20 rows a leaf would never split a D of 39 rows.
    made: Classifier = HistGradientBoostingClassifier(min_samples_leaf=max(1, min(20, rows // 20)), random_state=seed)
    return made


def _rules(rows: int, seed: int) -> Classifier:
    from imodels import RuleFitClassifier
    from sklearn.multiclass import OneVsRestClassifier

    made: Classifier = OneVsRestClassifier(RuleFitClassifier(max_rules=30, random_state=seed))
    return made


class _MostCommon:
    """Answers every question with the answer most common in D; of equally common ones, the first."""

    def __init__(self) -> None:
        self._answer = 0

    def fit(self, x: Any, y: NDArray[np.int64], /) -> _MostCommon:
        self._answer = int(np.bincount(y).argmax())
        return self

    def predict(self, x: Any, /) -> NDArray[np.int64]:
        return np.full(x.shape[0], self._answer, dtype=np.int64)


DIRECT_FITS: Mapping[str, Maker] = {
    "most common answer": lambda rows, seed: _MostCommon(),
    "logistic regression": _logistic,
    "decision tree": _tree,
    "gradient boosting": _boosting,
}
"""The direct fits that need nothing beyond the package's own requirements."""


def available() -> dict[str, Maker]:
    """`DIRECT_FITS`, and `RULES` where imodels and what it imports are installed."""
    extra = all(importlib.util.find_spec(name) is not None for name in ("imodels", "six"))
    return {**DIRECT_FITS, RULES: _rules} if extra else dict(DIRECT_FITS)


def answer(makers: Mapping[str, Maker], fitted: Labelled, asked: Table, seed: int) -> dict[str, NDArray[np.int64]]:
    """Fit every model to `fitted` and answer `asked`: name → (N,) indices. The columns are read once for all."""
    fitted = _at_most(fitted, FITTED, seed)
    if len(np.unique(fitted.answers)) < 2:
        makers = dict.fromkeys(makers, DIRECT_FITS["most common answer"])
    reader = _Reader(fitted.table)
    x, asked_x = reader.read(fitted.table), reader.read(asked)
    telling = _telling(x, fitted.answers) if _READS_FEW & set(makers) else np.empty(0, dtype=np.int64)
    found = {}
    for name, make in makers.items():
        rows = np.arange(len(fitted))
        if name == RULES:
            rows = np.sort(np.random.default_rng(seed).permutation(len(fitted))[:_RULE_ROWS])
        few = name in _READS_FEW
        model = make(len(rows), seed)
        with warnings.catch_warnings():
            # A fit that stopped at its limit of steps is still a baseline; there is nobody to read the warning.
            warnings.simplefilter("ignore")
            model.fit(x[rows][:, telling].toarray() if few else x[rows], fitted.answers[rows])
            blocks = [asked_x[at : at + 10_000] for at in range(0, len(asked), 10_000)]
            answered = [np.asarray(model.predict(block[:, telling].toarray() if few else block)) for block in blocks]
        found[name] = np.concatenate([np.empty(0), *answered]).astype(np.int64)
    return found


class _Reader:
    """Columns as numbers, learned from the rows that are fitted and from no others: a sparse matrix (N, F).

    Words one-hot (an ordinal one its rank too), numbers standardised, text as tf-idf of words.
    A missing cell is a column of its own, but for a text, which then has no word; a value never seen in the fitted rows
    sets none.
    """

    def __init__(self, table: Table) -> None:
        self._columns = [_column(table, feature.name) for feature in table.features]

    def read(self, table: Table) -> Any:
        from scipy.sparse import csr_matrix, hstack

        # A column of zeros first: a table without features has a matrix too.
        return hstack([csr_matrix((len(table), 1)), *(column(table) for column in self._columns)], format="csr")


def _column(table: Table, name: str) -> Callable[[Table], Any]:
    """How one feature is read, learned from `table`: a function from a table to a sparse matrix (N, some columns)."""
    feature = table.feature(name)
    if feature.kind is FeatureKind.TEXT:
        return _text_column(table, name)
    if feature.kind is FeatureKind.NUMERIC:
        return _number_column(table.numbers(name), lambda other: other.numbers(name))
    words = _word_column(table, name)
    if feature.kind is not FeatureKind.ORDINAL:
        return words
    from scipy.sparse import hstack

    def ranks(other: Table) -> Floats:
        codes = other.codes(name).astype(np.float64)
        return np.where(codes < 0, np.nan, codes)

    rank = _number_column(ranks(table), ranks)
    return lambda other: hstack([words(other), rank(other)], format="csr")


def _word_column(table: Table, name: str) -> Callable[[Table], Any]:
    from scipy.sparse import csr_matrix

    # Place 0 is the missing cell. A column where every row differs is a name, and 1,000 names are enough to see that.
    seen, counts = np.unique(table.codes(name), return_counts=True)
    seen = np.sort(seen[np.argsort(-counts, kind="stable")][:1000])
    place = np.full(len(table.feature(name).values) + 1, -1, dtype=np.int64)
    place[seen + 1] = np.arange(len(seen))

    def read(other: Table) -> Any:
        at = place[other.codes(name) + 1]
        rows = np.flatnonzero(at >= 0)
        return csr_matrix((np.ones(len(rows)), (rows, at[rows])), shape=(len(other), len(seen)))

    return read


def _number_column(fitted: Floats, numbers: Callable[[Table], Floats]) -> Callable[[Table], Any]:
    from scipy.sparse import csr_matrix

    finite = fitted[np.isfinite(fitted)]
    # Divided by the largest first: the square of 1e200 is not a number a float can hold.
    largest = float(np.abs(finite).max(initial=0.0)) or 1.0
    centre = float((finite / largest).mean()) if len(finite) else 0.0
    spread = (float((finite / largest).std()) if len(finite) else 0.0) or 1.0

    def read(other: Table) -> Any:
        values = numbers(other)
        present = np.isfinite(values)
        with np.errstate(over="ignore"):
            scaled = np.clip((np.where(present, values, 0.0) / largest - centre) / spread, -1e6, 1e6)
        return csr_matrix(np.column_stack([np.where(present, scaled, 0.0), ~present]))

    return read


def _text_column(table: Table, name: str) -> Callable[[Table], Any]:
    from scipy.sparse import csr_matrix
    from sklearn.feature_extraction.text import TfidfVectorizer

    words = TfidfVectorizer(sublinear_tf=True, min_df=2, max_features=WORDS)
    try:
        words.fit(table.texts(name))
    except ValueError:  # no word occurs twice
        return lambda other: csr_matrix((len(other), 1))
    return lambda other: words.transform(other.texts(name))


def _telling(x: Any, answers: NDArray[np.int64]) -> NDArray[np.int64]:
    """The `COLUMNS` columns of x that tell most about the answers (χ² of their squares), or all there are."""
    if x.shape[1] <= COLUMNS:
        return np.arange(x.shape[1])
    from sklearn.feature_selection import chi2

    worth = np.nan_to_num(chi2(x.multiply(x).tocsr(), answers)[0], nan=-1.0)
    return np.sort(np.argsort(-worth, kind="stable")[:COLUMNS])


def _at_most(data: Labelled, rows: int, seed: int) -> Labelled:
    if len(data) <= rows:
        return data
    return data.take(np.sort(np.random.default_rng(seed).permutation(len(data))[:rows]))
