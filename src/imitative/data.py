"""D and D′: tables of questions, the features they speak of, and the answers that are known.

A `Table` holds questions by column, in the form that conditions read: integer codes for words, float64 for numbers,
strings for text. Missing values are code −1, NaN and the empty string; no condition ever applies to one.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import final

import numpy as np
from numpy.typing import NDArray

from imitative.cells import MISSING, respellings
from imitative.errors import did_you_mean
from imitative.records import Example, Value

Floats = NDArray[np.float64]
Codes = NDArray[np.int32]
Mask = NDArray[np.bool_]

_WORD = re.compile(r"[a-z0-9]+(?:['’-][a-z0-9]+)*")
_CLAUSE_END = re.compile(r"[.!?;:,()\n]|<br")
_ABSENT = frozenset(
    [
        *("not", "no", "never", "neither", "nor", "none", "nothing", "nobody", "nowhere", "without", "cannot"),
        *("hardly", "barely", "scarcely", "rarely", "seldom", "few", "lack", "lacks", "lacked", "lacking", "devoid"),
        *("fail", "fails", "failed", "failing", "waste", "wasted"),
        *("instead of", "rather than", "far from", "anything but"),
    ]
)
"""What says that what follows is not there."""
_UNREAL = frozenset(
    [
        *("if", "unless", "may", "might", "could've", "should've", "would've"),
        *(f"{modal} {verb}" for modal in ("could", "should", "would") for verb in ("be", "have")),
        *("wish", "wished", "hope", "hoped", "hoping", "expect", "expected", "expecting"),
        *("supposed to", "meant to", "want to", "wants to", "wanted to", "try to", "tries to", "tried to", "trying to"),
        *("attempt", "attempts", "attempted", "attempting", "pretend", "pretends", "claims", "claimed"),
        *("promised", "promises"),
    ]
)
"""What says that what follows was wished for, tried or supposed, and as a rule is not so: *could have been good*."""
_NEGATIONS = _ABSENT | _UNREAL
NEGATION_REACH = 3
"""How many words a negation reaches forward within its clause."""


class FeatureKind(StrEnum):
    """What a column holds."""

    BOOLEAN = "boolean"
    CATEGORICAL = "categorical"
    ORDINAL = "ordinal"
    NUMERIC = "numeric"
    TEXT = "text"


@dataclass(frozen=True)
class Feature:
    """A named column and the English it is spoken of with.

    Args:
        name: the column's name in the file.
        kind: what it holds.
        spoken: the subject of a sentence about it, `the odour`.
        words: value → the word for it (`f` → `foul`); a value without a word is spoken as it is written.
        phrases: value → a whole clause for it (`n` → `the mushroom has no smell`), used instead of
            `<spoken> is <word>`.
        values: the values the feature may take, in order for an ordinal one. May hold values that no row has.
        unit: said after numbers, `cm`.
    """

    name: str
    kind: FeatureKind
    spoken: str
    words: Mapping[str, str] = field(default_factory=dict)
    phrases: Mapping[str, str] = field(default_factory=dict)
    values: tuple[str, ...] = ()
    unit: str = ""

    @property
    def discrete(self) -> bool:
        """Whether its values are words from a list."""
        return self.kind in (FeatureKind.BOOLEAN, FeatureKind.CATEGORICAL, FeatureKind.ORDINAL)

    def word(self, value: str) -> str:
        """The English for one of its values."""
        return self.words.get(value, value)

    def told(self, value: str) -> str:
        """What is shown of one of its values: the clause that says it, where there is one, or else the word."""
        return self.phrases.get(value) or self.word(value)


@final
@dataclass(frozen=True, eq=False)
class Table:
    """N questions, by column.

    Args:
        features: what the columns are.
        columns: feature name → int32 codes into `Feature.values` (discrete; −1 missing), float64 (numeric; NaN
            missing) or an object array of strings (text; "" missing), each of shape (N,).
    """

    features: tuple[Feature, ...]
    columns: Mapping[str, NDArray[np.generic]]

    def __post_init__(self) -> None:
        sizes = {feature.name: len(self.columns[feature.name]) for feature in self.features}
        if len(set(sizes.values())) > 1:
            raise ValueError(f"columns differ in length: {sizes}")

    def __len__(self) -> int:
        return len(self.columns[self.features[0].name]) if self.features else 0

    def feature(self, name: str) -> Feature:
        """The feature of that name.

        Raises:
            KeyError: if there is none.
        """
        return self._by_name[name]

    @cached_property
    def _by_name(self) -> dict[str, Feature]:
        return {feature.name: feature for feature in self.features}

    def codes(self, name: str) -> Codes:
        """A discrete column as indices into `Feature.values`, (N,), −1 where missing."""
        return self.columns[name].astype(np.int32, copy=False)

    def numbers(self, name: str) -> Floats:
        """A numeric column, (N,), NaN where missing."""
        return self.columns[name].astype(np.float64, copy=False)

    def texts(self, name: str) -> Sequence[str]:
        """A text column, N strings, empty where missing."""
        return [str(text) for text in self.columns[name]]

    def mentions(self, name: str) -> WordIndex:
        """Which rows mention which words, built once per column."""
        if name not in self._indices:
            self._indices[name] = WordIndex.build(self.texts(name))
        return self._indices[name]

    @cached_property
    def _indices(self) -> dict[str, WordIndex]:
        return {}

    def take(self, rows: NDArray[np.integer] | Sequence[int]) -> Table:
        """The questions at `rows`, in that order."""
        index = np.asarray(rows, dtype=np.int64)
        return Table(self.features, {name: column[index] for name, column in self.columns.items()})

    def row(self, i: int) -> dict[str, Value]:
        """Question i as a plain mapping: value for a word, number, text, None where missing."""
        found: dict[str, Value] = {}
        for feature in self.features:
            cell = self.columns[feature.name][i]
            if feature.discrete:
                found[feature.name] = feature.values[int(cell)] if int(cell) >= 0 else None
            elif feature.kind is FeatureKind.NUMERIC:
                found[feature.name] = None if np.isnan(float(cell)) else float(cell)
            else:
                found[feature.name] = str(cell) or None
        return found

    @classmethod
    def of(cls, features: Sequence[Feature], questions: Sequence[Mapping[str, Value]], *, strict: bool = True) -> Table:
        """A table of a few questions given as mappings.

        A value outside `Feature.values` reads as missing, but for another spelling of one (`True`, `1.0`); what is no
        feature is not read.

        Args:
            features: what is read of each question.
            questions: feature → value; what one leaves out is missing.
            strict: refuses what looks like a slip; else that reads as missing, as in questions kept from long ago.

        Raises:
            ValueError: where `strict`, for a feature that no question names while some name one spelled almost so, and
                for words where numbers are needed.
        """
        columns: dict[str, NDArray[np.generic]] = {}
        if strict:
            said_of = {str(name) for question in questions for name in question}
            _refuse_misspelt([feature.name for feature in features], said_of)
        for feature in features:
            cells = [question.get(feature.name) for question in questions]
            if feature.discrete:
                index = {value: code for code, value in enumerate(feature.values)}
                said = [None if cell is None else str(cell) for cell in cells]
                strange = {cell for cell in said if cell is not None and cell not in index}
                meant = respellings(strange, feature.values) if strange else {}
                codes = [-1 if cell is None else index.get(meant.get(cell, cell), -1) for cell in said]
                columns[feature.name] = np.array(codes, dtype=np.int32)
            elif feature.kind is FeatureKind.NUMERIC:
                columns[feature.name] = _numbers(feature.name, cells, strict)
            else:
                # A data frame's gap is a NaN.
                missing = [cell is None or (isinstance(cell, float) and np.isnan(cell)) for cell in cells]
                texts = ["" if gap else str(cell) for gap, cell in zip(missing, cells, strict=True)]
                columns[feature.name] = np.array(texts, dtype=object)
        return cls(tuple(features), columns)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over features and cells: the same questions in the same order have the same one."""
        digest = hashlib.sha256()
        for feature in self.features:
            heading = [feature.name, feature.kind.value, *feature.values]
            digest.update("\x1f".join(heading).encode("utf-8", "surrogatepass") + b"\x1d")
            column = self.columns[feature.name]
            if column.dtype == object:
                for text in column:
                    digest.update(str(text).encode("utf-8", "surrogatepass") + b"\x1f")
            else:
                digest.update(np.ascontiguousarray(column).tobytes())
        return digest.hexdigest()


ALMOST = 0.87
"""How alike a word is to a feature's name to be taken for a slip: as *colour* to *color*, not as *page* to *age*."""


def _refuse_misspelt(features: Sequence[str], said: set[str]) -> None:
    strange = said - set(features)
    for name in features if strange else ():
        if name not in said and (meant := did_you_mean(name, strange, ALMOST)):
            raise ValueError(f"no question says {name!r}; {meant} If not, say {name!r}: None, or strict=False")


def _numbers(name: str, cells: Sequence[Value], strict: bool) -> Floats:
    found = np.full(len(cells), np.nan)
    for i, cell in enumerate(cells):
        if cell is None or (isinstance(cell, str) and cell in MISSING):
            continue
        try:
            found[i] = float(cell)
        except (TypeError, ValueError) as error:
            if strict:
                raise ValueError(f"{name!r} holds numbers: {error}") from None
    return found


@final
@dataclass(frozen=True, eq=False)
class Labelled:
    """D: questions whose answers are known.

    Args:
        table: the N questions.
        answers: (N,) int indices into `names`.
        names: the possible answers, Y.

    Raises:
        ValueError: for another number of answers than of questions, an index that is none, or a name given twice.
    """

    table: Table
    answers: NDArray[np.int64]
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        if not isinstance(self.answers, np.ndarray):
            raise ValueError(f"answers are a {type(self.answers).__name__}: give an array of the indices of `names`")
        if self.answers.shape != (len(self.table),):
            raise ValueError(f"answers have the shape {self.answers.shape}: give one to each of {len(self.table)} rows")
        if not np.issubdtype(self.answers.dtype, np.integer):
            raise ValueError(f"answers are {self.answers.dtype}: give the indices of `names`, as integers")
        if len(self.answers) and not 0 <= self.answers.min() <= self.answers.max() < len(self.names):
            raise ValueError(
                f"answers go from {self.answers.min()} to {self.answers.max()}: give indices of the {len(self.names)} "
                "`names`, from 0 on"
            )
        if not isinstance(self.names, tuple):
            raise ValueError(f"names are a {type(self.names).__name__}: give a tuple")
        if len(set(self.names)) < len(self.names):
            raise ValueError(f"names has one answer twice: {self.names}")

    def __len__(self) -> int:
        return len(self.answers)

    def take(self, rows: NDArray[np.integer] | Sequence[int]) -> Labelled:
        """The examples at `rows`, in that order."""
        index = np.asarray(rows, dtype=np.int64)
        return Labelled(self.table.take(index), self.answers[index], self.names)

    def example(self, i: int) -> Example:
        """Example i as a record."""
        return Example(self.table.row(i), self.names[int(self.answers[i])])

    @property
    def fingerprint(self) -> str:
        """SHA-256 over questions and answers."""
        digest = hashlib.sha256(self.table.fingerprint.encode())
        digest.update("\x1e".join(self.names).encode() + self.answers.tobytes())
        return digest.hexdigest()


@final
@dataclass(frozen=True, eq=False)
class WordIndex:
    """An inverted index of a text column: word → rows that say it, plainly and after a negation.

    A word is negated when a negation stands at most `NEGATION_REACH` words before it in the same clause:
    `not a good film` negates *good*; `not boring, and good` does not. A word ending in n't is a negation, and so is
    what tells of something as lacking, wished for or supposed (the valence shifters of Polanyi and Zaenen 2006):
    `lacks charm`, `tries to be funny`, `could have been good`.
    """

    size: int
    plain: Mapping[str, NDArray[np.int32]]
    negated: Mapping[str, NDArray[np.int32]]

    @classmethod
    def build(cls, texts: Sequence[str]) -> WordIndex:
        """Read every text once."""
        plain: dict[str, list[int]] = {}
        negated: dict[str, list[int]] = {}
        for row, text in enumerate(texts):
            said: set[str] = set()
            denied: set[str] = set()
            for clause in _CLAUSE_END.split(text.lower().replace("’", "'")):
                reach, before = 0, ""
                for word in _WORD.findall(clause):
                    (denied if reach > 0 else said).add(word)
                    reach -= 1
                    if word in _NEGATIONS or f"{before} {word}" in _NEGATIONS or word.endswith("n't"):
                        reach = NEGATION_REACH
                    before = word
            for word in said:
                plain.setdefault(word, []).append(row)
            for word in denied:
                negated.setdefault(word, []).append(row)
        return cls(len(texts), _frozen(plain), _frozen(negated))

    def rows(self, word: str, *, negated: bool = False) -> NDArray[np.int32]:
        """The rows that say `word`, ascending."""
        return (self.negated if negated else self.plain).get(word, _NOWHERE)


_NOWHERE = np.empty(0, dtype=np.int32)


def _frozen(index: Mapping[str, list[int]]) -> dict[str, NDArray[np.int32]]:
    return {word: np.array(rows, dtype=np.int32) for word, rows in index.items()}
