"""The shape of problem.toml: which keys there are, what they hold, and what is said when they do not.

Knows nothing of the objects that are built from it: that is `config`. docs/problem-file.md describes every key.
"""

from __future__ import annotations

import math
import tomllib
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from imitative.data import FeatureKind
from imitative.errors import InputError, did_you_mean, listed, one_line, shown
from imitative.records import LAST_SEED, MOST_JUDGEMENTS
from imitative.row_filter import RowTest
from imitative.text_files import read_text


def _line(text: str) -> str:
    """Said in one line of a hypothesis or a page, so white space is single spaces and there is something to say."""
    spoken = " ".join(text.split())
    if not spoken or not spoken.isprintable():
        raise ValueError("a line of printable text")
    return spoken


def _name(text: str) -> str:
    """A name that is a folder's name on every system."""
    if (
        not text
        or len(text) > 80
        or not all(letter.isalnum() or letter in " ._-" for letter in text)
        or text[0] in " ."
    ):
        raise ValueError(
            "at most 80 letters, digits, spaces, dots, hyphens and underscores, beginning with none of . -"
        )
    return text


Line = Annotated[str, AfterValidator(_line)]
Named = BeforeValidator(lambda said: {"file": said} if isinstance(said, str) else said)
"""A table of which nothing but the file is said: its path will do."""
Cell = str | int | float
Share = Annotated[float, Field(ge=0.0, lt=1.0)]
Amount = Annotated[float, Field(ge=0.0, le=1e12)]
Count = Annotated[int, Field(ge=1)]
M = TypeVar("M", bound=BaseModel)


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class ProblemSection(_Section):
    """[problem]: what it is called, what is asked, and how much may be asked."""

    name: Annotated[str, AfterValidator(_name)]
    question: Line
    seed: Annotated[int, Field(ge=0, le=LAST_SEED)] = 0
    budget: Annotated[int, Field(ge=1, le=MOST_JUDGEMENTS)] = 300


class FileSection(_Section):
    """A file of rows: where it is, how it is written, which rows count."""

    file: str
    where: dict[str, Any] = {}
    separator: Annotated[str, Field(min_length=1, max_length=1)] | None = None
    encoding: str = "utf-8"
    missing: list[Cell] = []
    quote: Annotated[str, Field(max_length=1)] = '"'
    columns: list[str] = []
    decimal: Literal[".", ","] | None = None


class LabelledSection(FileSection):
    """[labelled]: D, the column of its answers, and how many independent examples a row is worth."""

    answer: str
    evidence: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0


class UnlabelledSection(FileSection):
    """[unlabelled]: D′. What it leaves out is as in [labelled], but for `where`, and `separator` of another file."""

    file: str | None = None  # type: ignore[assignment]
    truth: str | None = None


class NamesFile(FileSection):
    """features.names: a table of `feature=value` and the clause that says it, its word between <i> and </i>."""

    value: str = "orig"
    clause: str = "friendly"


class PartSection(_Section):
    """features.NAME.part_of: the column that a feature is found in, and by which regular expression."""

    column: str
    pattern: Annotated[str, Field(min_length=1)]


class FeatureSection(_Section):
    """[features.NAME]: how one column is spoken of, and what it holds."""

    spoken: Line | None = None
    kind: Literal["boolean", "categorical", "ordinal", "numeric", "text"] | None = None
    words: dict[str, Line] = {}
    phrases: dict[str, Line] = {}
    values: list[Cell] = []
    unit: Line = ""
    part_of: PartSection | None = None

    @property
    def feature_kind(self) -> FeatureKind | None:
        """The kind, where it is stated."""
        return None if self.kind is None else FeatureKind(self.kind)


class FeaturesSection(_Section):
    """[features]: which columns are used; every other key is a column."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True, allow_inf_nan=False)
    __pydantic_extra__: dict[str, FeatureSection] = Field(init=False)

    only: list[str] | None = None
    leave_out: list[str] = []
    names: NamesFile | None = None

    @property
    def columns(self) -> Mapping[str, FeatureSection]:
        """Column → what is said of it."""
        return self.__pydantic_extra__ or {}


class WordsSection(_Section):
    """space.words: the words of text features that conditions may look for."""

    source: Literal["data"] | list[str] = Field("data", alias="from")
    minimum: Count = 5
    most: Count = 3000


class SpaceSection(_Section):
    """[space]: how large a hypothesis may be."""

    kind: Literal["statements", "text"] = "statements"
    statements: Annotated[int, Field(ge=1, le=20_000)] = 12
    conditions: Annotated[int, Field(ge=1, le=10)] = 2
    cuts: Annotated[int, Field(ge=1, le=1_000)] = 8
    words: WordsSection = WordsSection()  # type: ignore[call-arg]
    max_words: Annotated[int, Field(ge=5, le=20_000)] = 400
    sections: Annotated[int, Field(ge=1, le=200)] = 12


class RelevanceFile(FileSection):
    """A table of ratings of features: the mean rating of each, stretched from `between` to `nats`."""

    feature: str = "orig"
    rating: str = "rating"
    between: Annotated[list[float], Field(min_length=2, max_length=2)] = [1.0, 10.0]
    nats: Annotated[list[float], Field(min_length=2, max_length=2)] = [-2.0, 1.0]


class SimulatedSection(_Section):
    """[overseer] kind = "simulated": a person made of a table. What is left out is as in `Simulated`."""

    kind: Literal["simulated"]
    believes: list[Line] = []
    relevance: dict[str, float] = {}
    relevance_file: str | RelevanceFile | None = None
    irrelevant: float | None = None
    covers: dict[str, dict[str, list[str]]] = {}
    tolerance: Annotated[float, Field(ge=1e-3, le=1e6)] | None = None
    length: float | None = None
    noise: Amount | None = None
    careless: Share | None = None
    ties: Amount | None = None
    much: Amount | None = None
    reads: Count | None = None
    exact: bool | None = None
    cost: Amount | None = None
    seconds: Amount | None = None


class ComparisonsFile(FileSection):
    """A table of comparisons that people made: two statements or rules, and which is more plausible, 2 … −2."""

    first: str = "first"
    second: str = "second"
    preference: str = "preference"
    judge: str | None = None


class RatingsFile(FileSection):
    """A table of ratings that people gave: of a word, how good it is; of a feature, how much it matters.

    `between` two ratings they are worth `nats`, linearly; `favours` is the answer that a word rated high speaks for.
    With `doubts` c and q, a claim of w nats about a word is c + q·w² nats less plausible than silence before the word
    speaks for it; `unrated` is the rating that words without one are taken to have, `unrated_doubt` how many nats less
    plausible claims about them are. Each rating is the mean of `raters` people's, among whom it has the `spread`.
    """

    item: str = "item"
    rating: str = "rating"
    spread: str | None = None
    raters: Count = 1
    judge: str | None = None
    between: Annotated[list[float], Field(min_length=2, max_length=2)] | None = None
    nats: Annotated[list[float], Field(min_length=2, max_length=2)] | None = None
    favours: str | None = None
    doubts: Annotated[list[Annotated[float, Field(ge=0.0, le=10.0)]], Field(min_length=2, max_length=2)] | None = None
    unrated: Annotated[float, Field(allow_inf_nan=False)] | None = None
    unrated_doubt: Annotated[float, Field(ge=0.0, le=10.0)] | None = None


class RecordedSection(_Section):
    """[overseer] kind = "recorded": what people said earlier."""

    kind: Literal["recorded"]
    judgements: str | list[str] | None = None
    comparisons: Annotated[ComparisonsFile | None, Named] = None
    ratings: Annotated[RatingsFile | None, Named] = None
    reader: Literal["literal", "nobody"] = "literal"


class PeopleSection(_Section):
    """[overseer] kind = "people": judges on a page; see docs/people.md."""

    kind: Literal["people"]
    overlap: Annotated[int, Field(ge=1, le=50)] = 1
    wage: Amount = 0.0
    cost: Amount = 0.0
    checks: bool = True
    grace: Amount | None = None
    instructions: Annotated[str, Field(max_length=20_000)] = ""
    image: str | None = None
    images: str | None = None


class PriceSection(_Section):
    """price: money per million tokens, read and written."""

    input: Amount = 0.0
    output: Amount = 0.0


class LimitsSection(_Section):
    """limits: what a run may spend on calls in all, and how fast."""

    calls: Count | None = None
    tokens: Count | None = None
    money: Amount | None = None
    requests_a_minute: Count | None = None
    tokens_a_minute: Count | None = None


class LanguageModelSection(_Section):
    """kind = "language_model": a model behind a server that speaks chat/completions."""

    kind: Literal["language_model"] = "language_model"
    model: Annotated[str, Field(min_length=1)]
    base_url: str = "https://api.openai.com/v1"
    key: str = ""
    context: Annotated[int, Field(ge=0)] = 0
    timeout: Annotated[float, Field(gt=0.0, le=3600.0)] = 120.0
    price: PriceSection | None = None
    prices: str | None = None
    limits: LimitsSection = LimitsSection()
    cache: str | None = None
    at_once: Annotated[int, Field(ge=1, le=256)] = 8
    votes: Annotated[int, Field(ge=1, le=101)] = 5
    persona: str = ""
    extra: dict[str, Any] = {}


class MixedSection(_Section):
    """[overseer] kind = "mixed": a model judges everything, people judge a share, and both are compared there."""

    kind: Literal["mixed"]
    share: Annotated[float, Field(ge=0.0, le=1.0)] = 0.1
    audit_share: Annotated[float, Field(ge=0.0, le=1.0)] | None = None
    model: LanguageModelSection
    people: Annotated[SimulatedSection | RecordedSection, Field(discriminator="kind")]


class StatementProposerSection(_Section):
    """[proposer] kind = "statements": writes controlled English, without a language model."""

    kind: Literal["statements"]


class ModelProposerSection(_Section):
    """[proposer] kind = "language_model": the overseer's model, or another one at the same or another server."""

    kind: Literal["language_model"]
    model: Annotated[str, Field(min_length=1)] | None = None
    base_url: str | None = None
    key: str = ""
    context: Annotated[int, Field(ge=0)] = 0
    timeout: Annotated[float, Field(gt=0.0, le=3600.0)] = 120.0
    temperature: Annotated[float, Field(ge=0.0, le=2.0)] = 0.8
    price: PriceSection | None = None
    prices: str | None = None
    limits: LimitsSection = LimitsSection()
    extra: dict[str, Any] = {}


class EncoderJudgesSection(_Section):
    """[judges] kind = "encoder": M_prior and M_L over free text, by the sentence encoder."""

    kind: Literal["encoder"]


class CausalJudgesSection(_Section):
    """[judges] kind = "causal": M_prior, M_L and M_test by a causal model in a folder on this machine, fine-tuned."""

    kind: Literal["causal"]
    model: Annotated[str, Field(min_length=1)]
    steps: Annotated[int, Field(ge=0, le=100_000)] = 100
    sharing: Literal["adapter", "trunk", "nothing"] = "trunk"


class ProblemFile(_Section):
    """problem.toml."""

    problem: ProblemSection
    answers: Annotated[dict[str, Line], Field(min_length=2)]
    labelled: LabelledSection
    unlabelled: UnlabelledSection = UnlabelledSection()
    features: FeaturesSection = FeaturesSection()
    space: SpaceSection = SpaceSection()
    overseer: Annotated[
        SimulatedSection | RecordedSection | PeopleSection | LanguageModelSection | MixedSection,
        Field(discriminator="kind"),
    ]
    proposer: Annotated[StatementProposerSection | ModelProposerSection, Field(discriminator="kind")] | None = None
    judges: Annotated[EncoderJudgesSection | CausalJudgesSection, Field(discriminator="kind")] | None = None


def read_problem_file(path: Path) -> ProblemFile:
    """Read and validate one file.

    Raises:
        InputError: naming the file, the key or line, what was found and what was expected.
    """
    return validated(ProblemFile, read_toml(path), path)


def validated(model: type[M], raw: Mapping[str, Any], path: Path) -> M:
    """What a file holds, as its sections.

    Raises:
        InputError: naming the file, the key, what was found and what was expected.
    """
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        raise _explained(error, raw, path, model) from None


def read_toml(path: Path) -> dict[str, Any]:
    """A file of TOML.

    Raises:
        InputError: naming the file and the line.
    """
    try:
        text = read_text(path)
    except InputError as error:
        raise InputError(error.place, error.found, "TOML, which is UTF-8", "save it as UTF-8") from None
    except FileNotFoundError:
        raise InputError(str(path), "no such file", "a problem.toml", "check the path") from None
    except OSError as error:
        raise InputError(str(path), error.strerror or str(error), "a problem.toml that can be read") from None
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise InputError(str(path), "brackets nested too deeply", "a problem.toml") from None
    except ValueError as error:  # says the line and column
        raise InputError(str(path), one_line(str(error)), "TOML", "quote texts, and keys with other signs") from None


def row_tests(where: Mapping[str, Any], place: str) -> tuple[RowTest, ...]:
    """A filter table as tests: `{ habitat = "g" }`, a list for any of several, or a table of comparisons.

    Raises:
        InputError: naming the key.
    """
    return tuple(_row_test(column, value, f"{place}.{quoted(column)}") for column, value in where.items())


def _row_test(column: str, value: Any, place: str) -> RowTest:
    if not isinstance(value, dict):
        return RowTest(column, any_of=_cells(value, place))
    known = ("not", "at_least", "below", "missing")
    if not value:
        raise InputError(place, "an empty table", f"one of {listed(known)}")
    for key, cell in value.items():
        if key not in known:
            raise InputError(place, f"the key {shown(key)}", f"one of {listed(known)}", did_you_mean(key, known))
        if key in ("at_least", "below") and (isinstance(cell, bool) or not isinstance(cell, int | float)):
            raise InputError(f"{place}.{key}", shown(cell), "a number")
        if key in ("at_least", "below") and not math.isfinite(cell):
            raise InputError(f"{place}.{key}", shown(cell), "a finite number")
        if key == "missing" and not isinstance(cell, bool):
            raise InputError(f"{place}.{key}", shown(cell), "true or false")
    others = _cells(value["not"], f"{place}.not") if "not" in value else None
    return RowTest(column, None, others, value.get("at_least"), value.get("below"), value.get("missing"))


def _cells(value: Any, place: str) -> tuple[str | float, ...]:
    cells = value if isinstance(value, list) else [value]
    for cell in cells:
        if not isinstance(cell, str | int | float):
            raise InputError(place, shown(cell), "a word, a number, true or false, a list of them, or a table")
    if not cells:
        raise InputError(place, "an empty list", "at least one value")
    return tuple(("true" if cell else "false") if isinstance(cell, bool) else cell for cell in cells)


def quoted(key: str) -> str:
    """A key as TOML spells it."""
    bare = key and all(letter.isascii() and (letter.isalnum() or letter in "_-") for letter in key)
    return key if bare else '"' + key.replace("\\", "\\\\").replace('"', '\\"') + '"'


# ------------------------------------------------------------------------------------------------- errors in words


def _explained(
    error: ValidationError, raw: Mapping[str, Any], path: Path, root: type[BaseModel] = ProblemFile
) -> InputError:
    """The first complaint as one line; a key nobody knows comes first, since it is often why another is missing."""
    complaints = error.errors(include_url=False)
    complaint = min(complaints, key=lambda each: each["type"] != "extra_forbidden")
    kind, loc, message = complaint["type"], complaint["loc"], complaint["msg"]
    keys = list(_walked(loc, raw, keep_last=kind in ("missing", "extra_forbidden")))
    more = f"({len(complaints) - 1} more)" if len(complaints) > 1 else ""
    if kind == "extra_forbidden":
        known = _known_keys(loc[:-1], root)
        near = did_you_mean(str(loc[-1]), known)
        place = _place(path, keys[:-1])
        return InputError(place, f"the key {shown(loc[-1])}", f"one of {listed(known, 20)}", _joined(near, more))
    place = _place(path, keys)
    if kind == "missing":
        return InputError(place, "nothing", "a value", _joined("add the key", more))
    if kind in ("union_tag_not_found", "union_tag_invalid"):
        found = shown(complaint.get("ctx", {}).get("tag", "")) if kind.endswith("invalid") else "nothing"
        tags = complaint.get("ctx", {}).get("expected_tags")
        kinds = str(tags).split(", ") if tags else [f"{each!r}" for each in _kinds(keys)]
        return InputError(f"{place}.kind", found, " or ".join(kinds), more)
    if kind == "too_short":
        least = complaint.get("ctx", {}).get("min_length", 1)
        return InputError(place, f"{len(complaint['input'])} of them", f"at least {least}", more)
    expected = message.removeprefix("Value error, ").removeprefix("Input should be ")
    return InputError(place, shown(complaint["input"]), expected[:1].lower() + expected[1:], more)


def _kinds(keys: list[str | int]) -> list[str]:
    """What `kind` may be in the table at these keys."""
    annotations = (
        [ProblemFile.model_fields[str(keys[0])].annotation] if keys and keys[0] in ProblemFile.model_fields else []
    )
    return [kind for annotation in annotations for model in _models(annotation) if (kind := _kind(model))]


def _joined(*parts: str) -> str:
    return " ".join(part for part in parts if part)


def _place(path: Path, keys: list[str | int]) -> str:
    dotted = ""
    for key in keys:
        dotted += f"[{key}]" if isinstance(key, int) else f".{quoted(key)}" if dotted else quoted(key)
    return f"{path}: {dotted}" if dotted else str(path)


def _walked(loc: tuple[str | int, ...], raw: Any, keep_last: bool) -> Iterator[str | int]:
    """The parts of pydantic's location that are in the file: it also names the branches of unions."""
    here = raw
    for i, part in enumerate(loc):
        known = part in here if isinstance(here, dict) else isinstance(here, list) and isinstance(part, int)
        if known:
            here = here[part]
        if known or (keep_last and i == len(loc) - 1):
            yield part


def _known_keys(loc: tuple[str | int, ...], root: type[BaseModel] = ProblemFile) -> list[str]:
    """The keys of the table at a location."""
    models: list[type[BaseModel]] = [root]
    for part in loc:
        fields = [field for model in models for key, field in _fields(model) if key == part]
        found = [model for annotation in fields for model in _models(annotation)]
        if models == [FeaturesSection] and not fields:
            found = [FeatureSection]
        branch = [model for model in models if part in (model.__name__, _kind(model))]  # of a union: kind, or class
        models = found or branch or models
    return list(dict.fromkeys(key for model in models for key, _ in _fields(model)))


def _fields(model: type[BaseModel]) -> Iterator[tuple[str, Any]]:
    for name, field in model.model_fields.items():
        yield field.alias or name, field.annotation


def _models(annotation: Any) -> list[type[BaseModel]]:
    """The sections an annotation speaks of, through unions and lists."""
    parts = typing.get_args(annotation)
    if parts:
        return [model for part in parts for model in _models(part)]
    return [annotation] if isinstance(annotation, type) and issubclass(annotation, BaseModel) else []


def _kind(model: type[BaseModel]) -> str:
    field = model.model_fields.get("kind")
    return str(typing.get_args(field.annotation)[0]) if field and typing.get_args(field.annotation) else ""
