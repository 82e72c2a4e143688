"""problem.toml ↔ objects; the only file that knows the concrete classes.

loaded = load_problem("examples/mushrooms/problem.toml", data="../shared/data")
loaded = load_problem("huskies")
"""

from __future__ import annotations

import importlib.util
import math
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from imitative.data import Feature, FeatureKind, Table
from imitative.errors import InputError, did_you_mean, listed, shown
from imitative.exchange.lines import read_recorded
from imitative.hypotheses.vocabulary import cut_points, vocabulary
from imitative.loaded import LoadedProblem
from imitative.overseers.overseer import Overseer
from imitative.problem import Problem, Truth
from imitative.problem_file import (
    CausalJudgesSection,
    ComparisonsFile,
    FileSection,
    LanguageModelSection,
    LimitsSection,
    MixedSection,
    ModelProposerSection,
    NamesFile,
    PeopleSection,
    PriceSection,
    ProblemFile,
    RatingsFile,
    RecordedSection,
    RelevanceFile,
    SimulatedSection,
    WordsSection,
    quoted,
    read_problem_file,
    row_tests,
)
from imitative.reading import Data, Stated, read_data
from imitative.records import GRADES
from imitative.rows import Source, floats, no_column, read_rows
from imitative.settings import Settings

if TYPE_CHECKING:
    from imitative.calls import Paid, Price, Service
    from imitative.hypotheses.statements import Statement, StatementSpace
    from imitative.overseers.prompts import Phrasing
    from imitative.overseers.recorded import Recorded, Stretch
    from imitative.texts.judges import Judges
    from imitative.texts.proposing import Proposer

__all__ = ["LoadedProblem", "load_problem"]

CALLS = "calls.sqlite"
"""Calls that were paid for, in the run's folder."""
DATA_VARIABLE = "IMITATIVE_DATA"
"""The environment variable that names the folder of `data:` paths."""
MOST_NATS = 50.0
"""What a rating may be worth: odds of e^50 to one are beyond what anybody can mean."""


def load_problem(
    problem: str | os.PathLike[str], data: str | os.PathLike[str] | None = None, *, seed: int | None = None
) -> LoadedProblem:
    """Load a problem file, a folder with a problem.toml in it, or a built-in problem.

    Args:
        problem: a path, or a built-in name where there is no such file.
        data: the folder that paths beginning with `data:` are looked up in, before $IMITATIVE_DATA.
        seed: instead of the problem's own.

    Raises:
        InputError: one line naming the place, what was found, what was expected and what to do.
    """
    path = Path(problem)
    try:
        if path.is_dir() and (path / "problem.toml").exists():
            path = path / "problem.toml"
        is_file = path.is_file()
    except (OSError, ValueError) as error:  # a name too long, or with a NUL in it
        raise InputError(shown(str(problem)), str(error), "the path of a problem.toml, or a built-in name") from None
    if is_file or path.suffix == ".toml":
        return _Loader(path, None if data is None else Path(data)).load(seed)
    return _built_in(str(problem), seed)


def _built_in(name: str, seed: int | None) -> LoadedProblem:
    from imitative.problems import BUILTIN

    if name not in BUILTIN:
        remedy = did_you_mean(name, BUILTIN) or "check the path"
        raise InputError(
            shown(name), "neither a file nor a built-in problem", f"a path or one of {listed(BUILTIN)}", remedy
        )
    loaded: LoadedProblem = BUILTIN[name](0 if seed is None else seed)
    return loaded if seed is None else replace(loaded, seed=seed)


def judged_by_record(loaded: LoadedProblem, folders: Sequence[Path]) -> LoadedProblem:
    """The same problem with what people said earlier, as `imitative import` keeps it, in the place of its overseer.

    Raises:
        InputError: naming the file, the line and the remedy.
    """
    from imitative.overseers.recorded import Recorded

    judgements = read_recorded(folders)
    recorded = Recorded(loaded.problem.space, judgements=judgements)
    _check_teaches(recorded, len(judgements), ", ".join(map(str, folders)))
    return replace(loaded, build_overseer=lambda seed: recorded)


def _check_teaches(recorded: Recorded, given: int, place: str) -> None:
    """Refuse an archive that was given judgements, and can teach nothing of this problem."""
    if given and not recorded.queries:
        why = recorded.notes[0] if len(recorded.notes) > 1 else "import those of this problem"
        raise InputError(
            place, f"{given} judgements, none of which says anything of its hypotheses", "some that do", why
        )


@final
class _Loader:
    """One problem file on its way to objects: knows where paths start from and how places are named."""

    def __init__(self, path: Path, data: Path | None) -> None:
        self.path, self.data = path, data
        self.file: ProblemFile = read_problem_file(path)

    def load(self, seed: int | None) -> LoadedProblem:
        """D and D′, then the space that can speak of them, then whoever judges."""
        file = self.file
        data = self._read()
        space = self._space(data)
        problem = Problem(
            file.problem.name, file.problem.question, data.labelled, data.unlabelled, dict(file.answers), space
        )
        loaded = LoadedProblem(
            problem=problem,
            truth=None if data.truth is None else Truth(data.truth),
            build_overseer=lambda seed: _nobody(seed),
            seed=file.problem.seed if seed is None else seed,
            budget=file.problem.budget,
            settings=Settings(evidence=file.labelled.evidence),
            notes=data.notes,
            source=str(self.path),
            images=self._images(file.overseer),
        )
        return self._with_models(loaded, None)

    def _with_models(self, loaded: LoadedProblem, folder: Path | None) -> LoadedProblem:
        """Who judges and who proposes; calls that cost money are kept in `folder`, or nowhere."""
        desk = _Desk(self, loaded.problem, folder)
        build = desk.overseer(self.file.overseer, "overseer")
        study = None
        if self.file.space.kind == "text":
            study = desk.study(self.file.space.max_words, self.file.space.sections)
        elif self.file.proposer is not None:
            raise InputError(
                self._at("proposer"), "a proposer", '[space] kind = "text"', "statements propose themselves"
            )
        if not desk.paid:
            return replace(loaded, build_overseer=build, study=study)
        keep_in = (lambda folder: self._with_models(loaded, Path(folder))) if folder is None else None
        return replace(loaded, build_overseer=build, study=study, keep_in=keep_in, told=desk.told)

    def _at(self, key: str) -> str:
        return f"{self.path}: {key}"

    # -- files -------------------------------------------------------------------------------------------------------

    def _resolve(self, text: str, key: str) -> Path:
        """A path as written → a path: `data:` and `package:` prefixes, ${IMITATIVE_DATA}, ~, relative to the file."""
        place = self._at(key)
        if "\0" in text or not text.strip():
            raise InputError(place, shown(text), "a path")
        if "://" in text:
            raise InputError(place, shown(text), "a path on this machine", "fetch the file first")
        if text.startswith("package:"):
            return _in_package(text.removeprefix("package:"), place)
        if text.startswith("data:"):
            return self._in_data(text.removeprefix("data:").lstrip("/"), place)
        if "${IMITATIVE_DATA}" in text:
            folder = os.environ.get(DATA_VARIABLE) or self.data
            if not folder:
                raise InputError(place, shown(text), f"a value of {DATA_VARIABLE}", "set it, or give --data DIR")
            text = text.replace("${IMITATIVE_DATA}", str(folder))
        try:
            path = Path(text).expanduser()
        except RuntimeError as error:
            raise InputError(place, shown(text), "a path", str(error)) from None
        return path if path.is_absolute() else self.path.parent / path

    def _in_data(self, rest: str, place: str) -> Path:
        variable = os.environ.get(DATA_VARIABLE)
        folders = [folder for folder in (self.data, Path(variable) if variable else None) if folder is not None]
        if not folders:
            remedy = f"give --data DIR, or set {DATA_VARIABLE} to the folder that holds {rest}"
            raise InputError(place, shown(f"data:{rest}"), "a data folder to look in", remedy)
        return next((folder / rest for folder in folders if (folder / rest).exists()), folders[0] / rest)

    def _source(self, section: FileSection, key: str) -> Source:
        return Source(
            path=self._resolve(section.file, f"{key}.file"),
            where=row_tests(section.where, self._at(f"{key}.where")),
            separator=section.separator,
            encoding=section.encoding,
            missing=tuple(map(str, section.missing)),
            quote=section.quote,
            columns=tuple(section.columns),
        )

    def _read(self) -> Data:
        file, features = self.file, self.file.features
        first = self._source(file.labelled, "labelled")
        said = file.unlabelled.model_dump(exclude_unset=True, exclude={"truth"})
        taken = file.labelled.model_dump(
            exclude={"answer", "evidence", "where"} | ({"separator"} if "file" in said else set())
        )
        second = self._source(FileSection(**(taken | said)), "unlabelled")
        columns = {
            name: Stated(
                kind=section.feature_kind,
                spoken=section.spoken or "",
                words=section.words,
                phrases=section.phrases,
                values=tuple(map(str, section.values)),
                unit=section.unit,
            )
            for name, section in features.columns.items()
        }
        named = {} if features.names is None else self._names(features.names)
        return read_data(
            first,
            second,
            answer=file.labelled.answer,
            answers=tuple(file.answers),
            truth=file.unlabelled.truth,
            stated=columns,
            named=named,
            only=features.only,
            leave_out=features.leave_out,
            place=str(self.path),
        )

    def _names(self, section: NamesFile) -> dict[str, Stated]:
        """Column → what a table of clauses says of it: `odor=f`, `odour is <i>foul</i>`."""
        pairs = self._columns(section, "features.names", {"value": section.value, "clause": section.clause})
        found: dict[str, Stated] = {}
        for row, (value, clause) in enumerate(zip(pairs["value"], pairs["clause"], strict=True), 1):
            name, equals, code = (value or "").partition("=")
            if not equals or not clause:
                place = self._at(f"features.names: row {row}")
                raise InputError(place, shown(f"{value}, {clause}"), "FEATURE=VALUE and a clause")
            said = found.get(name, Stated())
            named = _clause(clause)
            found[name] = replace(
                said,
                spoken=said.spoken or named.spoken,
                words=dict(said.words) | ({code: named.word} if named.word else {}),
                phrases=dict(said.phrases) | ({code: named.phrase} if named.phrase else {}),
            )
        return found

    def _columns(self, section: FileSection, key: str, columns: Mapping[str, str]) -> dict[str, list[str | None]]:
        """The named columns of a table beside the data."""
        source = self._source(section, key)
        frame = read_rows(source).frame
        for part, name in columns.items():
            if name not in frame.columns:
                no_column(name, frame.columns, f"{source.named} ({self._at(f'{key}.{part}')})")
        return {part: frame[name].to_list() for part, name in columns.items()}

    def _numbers(self, cells: Sequence[str | None], key: str) -> NDArray[np.float64]:
        import polars as pl

        numbers = floats(pl.Series(cells, dtype=pl.String))
        wrong = [i for i, cell in enumerate(cells) if cell and not math.isfinite(numbers[i])]
        if wrong:
            raise InputError(self._at(f"{key}: row {wrong[0] + 1}"), shown(cells[wrong[0]]), "a finite number")
        return numbers

    # -- the space ---------------------------------------------------------------------------------------------------

    def _space(self, data: Data) -> StatementSpace:
        from imitative.hypotheses.statements import Limits, StatementSpace

        section, tables = self.file.space, (data.labelled.table, data.unlabelled)
        features = data.unlabelled.features
        words = {f.name: self._words(section.words, f, tables) for f in features if f.kind is FeatureKind.TEXT}
        cuts = {
            f.name: cut_points(np.concatenate([table.numbers(f.name) for table in tables]), section.cuts)
            for f in features
            if f.kind is FeatureKind.NUMERIC
        }
        limits = Limits(section.statements, section.conditions, section.cuts)
        try:
            return StatementSpace(features, tuple(self.file.answers), dict(self.file.answers), limits, words, cuts)
        except ValueError as error:
            raise InputError(self._at("features"), str(error), "sentences that can be told apart") from None

    def _words(self, section: WordsSection, feature: Feature, tables: Sequence[Table]) -> tuple[str, ...]:
        if section.source != "data":
            for i, word in enumerate(section.source):
                if not _A_WORD.fullmatch(word):
                    raise InputError(self._at(f"space.words.from[{i}]"), shown(word), "one word, in small letters")
            return tuple(dict.fromkeys(section.source))
        return vocabulary(feature.name, tables, section.minimum, section.most)

    # -- who judges --------------------------------------------------------------------------------------------------

    def _simulated(self, section: SimulatedSection, space: StatementSpace) -> Callable[[int], Overseer]:
        from imitative.overseers.simulated import Simulated

        believes = [self._belief(text, i, space) for i, text in enumerate(section.believes)]
        names = [feature.name for feature in space.features]
        for name in section.relevance:
            if name not in names:
                no_column(name, names, self._at("overseer.relevance"))
        relevance = self._relevance(section.relevance_file, names) | section.relevance
        plain = section.model_dump(
            exclude={"kind", "believes", "relevance", "relevance_file", "covers"}, exclude_none=True
        )
        covers = self._covers(section, space)

        def build(seed: int) -> Overseer:
            return Simulated(space=space, believes=believes, relevance=relevance, covers=covers, seed=seed, **plain)

        return build

    def _belief(self, text: str, i: int, space: StatementSpace) -> Statement:
        try:
            return space.read_statement(text)
        except ValueError:
            from imitative.hypotheses.statements import Statement, Strength

            place = self._at(f"overseer.believes[{i}]")
            condition = next(space.conditions(), None)
            form = "If CONDITION, ANSWER (STRENGTH)."
            if condition is not None:
                form = space.show_statement(Statement((condition,), space.answers[0], Strength.MODERATE))
            strengths = ", ".join(str(strength.value) for strength in Strength)
            remedy = f"use the problem's own words, and one of: {strengths}"
            raise InputError(place, f"“{text}”", f"a sentence such as “{form}”", remedy) from None

    def _relevance(self, section: str | RelevanceFile | None, names: Sequence[str]) -> dict[str, float]:
        """Feature → nats: its mean rating, stretched linearly. Ratings of what is no feature are passed over."""
        if section is None:
            return {}
        key = "overseer.relevance_file"
        table = RelevanceFile(file=section) if isinstance(section, str) else section
        (low, high), (least, most) = table.between, table.nats
        if low >= high:
            raise InputError(self._at(f"{key}.between"), shown(table.between), "two numbers, the lower first")
        columns = self._columns(table, key, {"feature": table.feature, "rating": table.rating})
        numbers = self._numbers(columns["rating"], key)
        ratings: dict[str, list[float]] = {}
        for row, (name, rating) in enumerate(zip(columns["feature"], numbers.tolist(), strict=True), 1):
            if math.isnan(rating) or name is None or name not in names:
                continue
            if not low <= rating <= high:
                raise InputError(self._at(f"{key}: row {row}"), f"the rating {rating:g}", f"{low:g} to {high:g}")
            ratings.setdefault(name, []).append(rating)
        return {
            name: least + (sum(given) / len(given) - low) / (high - low) * (most - least)
            for name, given in ratings.items()
        }

    def _covers(self, section: SimulatedSection, space: StatementSpace) -> dict[tuple[str, str], frozenset[str]]:
        """(feature, value) → the values it is taken to cover, from their words or the values themselves."""
        features = {feature.name: feature for feature in space.features}
        found: dict[tuple[str, str], frozenset[str]] = {}
        for name, table in section.covers.items():
            if name not in features:
                no_column(name, list(features), self._at("overseer.covers"))
            place = self._at(f"overseer.covers.{quoted(name)}")
            values = {features[name].word(value): value for value in features[name].values}
            values |= {value: value for value in features[name].values}
            for word, covered in table.items():
                for each in (word, *covered):
                    if each not in values:
                        raise InputError(place, shown(each), f"one of {listed(values)}", did_you_mean(each, values))
                found[name, values[word]] = frozenset(values[each] for each in covered)
        return found

    def _recorded(self, section: RecordedSection, space: StatementSpace) -> Callable[[int], Overseer]:
        from imitative.overseers.recorded import Recorded

        comparisons: list[tuple[str, str, int, str]] = []
        ratings: list[tuple[str, float, float, str]] = []
        if section.comparisons is None and section.ratings is None and not section.judgements:
            expected = "at least one of them"
            raise InputError(self._at("overseer"), "neither judgements nor comparisons nor ratings", expected)
        if section.comparisons is not None:
            comparisons = self._comparisons(section.comparisons)
        if section.ratings is not None:
            ratings = self._ratings(section.ratings)

        features, words, favours = self._worth(section.ratings, space)
        said = section.ratings
        doubts = None if said is None or said.doubts is None else (said.doubts[0], said.doubts[1])
        unrated, unrated_doubt = (None, None) if said is None else (said.unrated, said.unrated_doubt)
        folders = [section.judgements] if isinstance(section.judgements, str) else section.judgements or []
        said_before = read_recorded([self._resolve(folder, "overseer.judgements") for folder in folders])
        recorded = Recorded(
            space,
            comparisons,
            ratings,
            section.reader,
            features,
            words,
            favours,
            doubts,
            unrated,
            unrated_doubt,
            said_before,
        )
        _check_teaches(recorded, len(said_before), self._at("overseer.judgements"))
        return lambda seed: recorded  # nothing in an archive is random, and reading every rule takes a while

    def _people(self, section: PeopleSection, problem: Problem) -> Callable[[int], Overseer]:
        from imitative.overseers.people import GRACE, People
        from imitative.overseers.presenting import checks, presenter

        names = [feature.name for feature in problem.space.features]
        if section.image is not None and section.image not in names:
            no_column(section.image, names, self._at("overseer.image"))
        if (section.image is None) != (section.images is None):
            given = "image" if section.images is None else "images"
            raise InputError(self._at("overseer"), f"{given} alone", "image, a feature, and images, their folder")
        show = presenter(problem, section.image)
        grace = GRACE if section.grace is None else section.grace

        def build(seed: int) -> Overseer:
            known = checks(problem, show, seed) if section.checks else []
            return People(
                show, checks=known, cap=section.overlap, wage=section.wage, cost=section.cost, grace=grace,
                instructions=section.instructions,
            )  # fmt: skip

        return build

    def _images(self, section: object) -> str | None:
        if not isinstance(section, PeopleSection) or section.images is None:
            return None
        folder = self._resolve(section.images, "overseer.images")
        if not folder.is_dir():
            raise InputError(self._at("overseer.images"), shown(str(folder)), "a folder", "check the path")
        return str(folder.absolute())

    def _worth(self, section: RatingsFile | None, space: StatementSpace) -> tuple[Stretch, Stretch, str | None]:
        """What ratings of features and of words are worth in nats, and which answer high ratings speak for."""
        from imitative.overseers.recorded import FEATURES, WORDS, Stretch

        key = "overseer.ratings"
        if section is None:
            return FEATURES, WORDS, None
        if (section.between is None) != (section.nats is None):
            given, other = ("between", "nats") if section.nats is None else ("nats", "between")
            raise InputError(self._at(key), f"{given} without {other}", "both or neither")
        if section.favours is not None and section.favours not in space.answers:
            near = did_you_mean(section.favours, space.answers)
            expected = f"one of {listed(space.answers)}"
            raise InputError(self._at(f"{key}.favours"), shown(section.favours), expected, near)
        if section.between is None or section.nats is None:
            return FEATURES, WORDS, section.favours
        (low, high), (least, most) = section.between, section.nats
        if low >= high:
            raise InputError(self._at(f"{key}.between"), shown(section.between), "two numbers, the lower first")
        if max(abs(least), abs(most)) > MOST_NATS:
            expected = f"numbers from -{MOST_NATS:g} to {MOST_NATS:g}"
            raise InputError(self._at(f"{key}.nats"), shown(section.nats), expected)
        stretch = Stretch((low, high), (least, most))
        return stretch, stretch, section.favours

    def _comparisons(self, section: ComparisonsFile) -> list[tuple[str, str, int, str]]:
        """(first, second, grade, judge): what was compared, 2 … −2 for the first, and who said so."""
        key = "overseer.comparisons"
        names = {"first": section.first, "second": section.second, "preference": section.preference}
        columns = self._columns(section, key, names | ({"judge": section.judge} if section.judge else {}))
        grades = self._numbers(columns["preference"], key)
        judges = columns.get("judge") or ["crowd"] * len(grades)
        found = []
        for row, (a, b, grade, judge) in enumerate(
            zip(columns["first"], columns["second"], grades.tolist(), judges, strict=True), 1
        ):
            if math.isnan(grade) or not a or not b:
                continue  # a comparison left out is a skip, not a tie
            if grade not in GRADES:
                raise InputError(self._at(f"{key}: row {row}"), f"{grade:g}", "a whole number from -2 to 2")
            found.append((a, b, int(grade), judge or "unknown"))
        return found

    def _ratings(self, section: RatingsFile) -> list[tuple[str, float, float, str]]:
        """(item, rating, spread, judge): what was rated, how, its standard deviation (0 where not said), by whom."""
        key = "overseer.ratings"
        names = {"item": section.item, "rating": section.rating}
        names |= {part: name for part in ("spread", "judge") if (name := getattr(section, part))}
        columns = self._columns(section, key, names)
        ratings = self._numbers(columns["rating"], key).tolist()
        spreads = self._numbers(columns["spread"], key).tolist() if "spread" in columns else [0.0] * len(ratings)
        judges = columns.get("judge") or ["crowd"] * len(ratings)
        rows = zip(columns["item"], ratings, spreads, judges, strict=True)
        return [
            (item, rating, 0.0 if math.isnan(spread) else spread, judge or "unknown")
            for item, rating, spread, judge in rows
            if item and not math.isnan(rating)
        ]


@final
class _Desk:
    """Builds who judges and who proposes, and the calls they share.

    Args:
        loader: the file.
        problem: what is judged.
        folder: of the run, where calls are kept; None: nothing is asked yet, as for `imitative check`.
    """

    def __init__(self, loader: _Loader, problem: Problem, folder: Path | None) -> None:
        self.loader, self.problem, self.folder = loader, problem, folder
        self.paid: list[Paid] = []

    def told(self) -> dict[str, Any]:
        """What the calls came to, by server and model."""
        return {
            "models": [paid.told() for paid in self.paid],
            "money": sum(paid.book.total().money for paid in self.paid),
        }

    def overseer(
        self,
        section: SimulatedSection | RecordedSection | PeopleSection | LanguageModelSection | MixedSection,
        key: str,
    ) -> Callable[[int], Overseer]:
        """seed → who judges."""
        space = self.problem.space
        if isinstance(section, SimulatedSection):
            return self._reading_texts(self.loader._simulated(section, space))
        if isinstance(section, RecordedSection):
            return self.loader._recorded(section, space)
        if isinstance(section, PeopleSection):
            return self.loader._people(section, self.problem)
        if isinstance(section, MixedSection):
            return self._mixed(section, key)
        return self._language_model(section, key)

    def _reading_texts(self, build: Callable[[int], Overseer]) -> Callable[[int], Overseer]:
        """A simulated person understands the controlled English in a text."""
        if self.loader.file.space.kind != "text":
            return build
        from imitative.overseers.reader import Reader

        return lambda seed: Reader(build(seed), self.problem.space, self.problem.answers)

    def _mixed(self, section: MixedSection, key: str) -> Callable[[int], Overseer]:
        from imitative.overseers.mixed import Mixed

        model = self._language_model(section.model, f"{key}.model")
        people = self.overseer(section.people, f"{key}.people")
        return lambda seed: Mixed(model(seed), people(seed), section.share, seed, section.audit_share)

    def _language_model(self, section: LanguageModelSection, key: str) -> Callable[[int], Overseer]:
        from imitative.overseers.language_model import LanguageModel
        from imitative.overseers.prompts import MOST_ANSWERS

        if len(self.problem.answers) > MOST_ANSWERS:
            found = f"{len(self.problem.answers)} answers"
            raise InputError(self.loader._at("answers"), found, f"at most {MOST_ANSWERS} with a language model")
        service = self._service(section, key)
        price = self._price(section.price, section.prices, section.model, key)
        paid = self._pay(service, price, section.limits, key, section.cache, section.at_once)
        phrasing = self.phrasing(section.persona)
        url, model = service.base_url, service.model
        return lambda seed: LanguageModel(paid, url, model, phrasing, section.votes)

    def phrasing(self, persona: str = "") -> Phrasing:
        """How this problem's queries are put into words."""
        from imitative.overseers.prompts import Phrasing

        problem = self.problem
        return Phrasing(problem.question, problem.spoken, problem.space.features, " ".join(persona.split()))

    def study(self, max_words: int, sections: int) -> Any:
        """Steps 1–4 over free text."""
        from imitative.texts.problem import TextProblem
        from imitative.texts.study import TextStudy

        judges = self.loader.file.judges
        made = self._judges(judges) if isinstance(judges, CausalJudgesSection) else None
        return TextStudy(TextProblem.of(self.problem, max_words, sections), self._proposer(), made)

    def _judges(self, section: CausalJudgesSection) -> Callable[[int], Judges]:
        """seed → a causal trunk as M_prior and M_L; loaded when a run first reads with it."""
        from imitative.texts.causal import load_reader
        from imitative.texts.judges import TrunkJudges
        from imitative.texts.trunk import Sharing

        folder = self.loader._resolve(section.model, "judges.model")
        if not (folder / "config.json").is_file():
            remedy = "save one there with model.save_pretrained and tokenizer.save_pretrained"
            raise InputError(self.loader._at("judges.model"), str(folder), "a folder with a transformers model", remedy)
        problem, phrasing = self.problem, self.phrasing()
        clauses = [problem.spoken[answer] for answer in problem.answers]

        def build(seed: int) -> TrunkJudges:
            return TrunkJudges(
                lambda: load_reader(str(folder), clauses, problem.question), phrasing, problem.answers,
                section.steps, seed, Sharing(section.sharing),
            )  # fmt: skip

        return build

    def _proposer(self) -> Proposer:
        from imitative.texts.proposing import LanguageModelProposer, StatementProposer

        section = self.loader.file.proposer
        judge = self.loader.file.overseer
        model = judge.model if isinstance(judge, MixedSection) else judge
        if not isinstance(section, ModelProposerSection):
            if section is None and isinstance(model, LanguageModelSection):
                section = ModelProposerSection(kind="language_model")
            else:
                return StatementProposer()
        base = model if isinstance(model, LanguageModelSection) else None
        if section.model is None and base is None:
            raise InputError(
                self.loader._at("proposer.model"), "nothing", "a model's name", "name one, and its base_url"
            )
        same = base is not None and section.model in (None, base.model) and section.base_url in (None, base.base_url)
        if same and self.paid:
            paid = self.paid[0]  # the overseer's model, on the same account
        else:
            said = {k: v for k in ("model", "base_url") if (v := getattr(section, k)) is not None}
            taken = base.model_dump(include={"model", "base_url", "key", "context", "timeout"}) if base else {}
            own = section.model_dump(include={"key", "context", "timeout"}, exclude_unset=True)
            full = LanguageModelSection.model_validate(taken | own | said | {"kind": "language_model"})
            price = self._price(section.price, section.prices, full.model, "proposer")
            paid = self._pay(self._service(full, "proposer"), price, section.limits, "proposer", None, 4)
        service = paid.server.service
        return LanguageModelProposer(paid, service.base_url, service.model, section.extra, section.temperature)

    def _service(self, section: LanguageModelSection, key: str) -> Service:
        from imitative.calls import Service

        said = section.model_dump(include={"model", "base_url", "key", "context", "timeout", "extra"})
        return Service(**said, place=self.loader._at(key))

    def _price(self, inline: PriceSection | None, file: str | None, model: str, key: str) -> Price | None:
        from imitative.calls import Price, read_prices

        if inline is not None:
            return Price(inline.input, inline.output)
        if file is None:
            return None
        prices = read_prices(self.loader._resolve(file, f"{key}.prices"))
        if model not in prices:
            remedy = did_you_mean(model, prices) or "add it"
            raise InputError(
                self.loader._at(f"{key}.prices"), f"no price of {model!r}", f"one of {listed(prices)}", remedy
            )
        return prices[model]

    def _pay(
        self, service: Service, price: Price | None, limits: LimitsSection, key: str, cache: str | None, at_once: int
    ) -> Paid:
        from imitative.calls import Book, Limits, Paid, Server

        place = self.loader._at(f"{key}.limits")
        path = None if self.folder is None else self.folder / CALLS
        if cache is not None and self.folder is not None:
            path = self.loader._resolve(cache, f"{key}.cache")
        # Each model's money is counted by itself: its limits are its own.
        run = "" if self.folder is None else f"{self.folder.resolve().name}/{key}"
        book = Book(path, f"{run}/{self.problem.fingerprint[:16]}")
        paid = Paid(Server(service), book, price, Limits(**limits.model_dump()), at_once=at_once, place=place)
        self.paid.append(paid)
        return paid


def _nobody(_seed: int) -> Overseer:
    raise AssertionError("a problem is built before anybody is asked")


class _Clause(NamedTuple):
    spoken: str
    word: str
    phrase: str


_A_WORD = re.compile(r"[a-z0-9]+(?:['’-][a-z0-9]+)*")
_DETERMINED = frozenset(
    ("a", "an", "he", "it", "its", "she", "that", "the", "their", "there", "these", "they", "this", "those")
)
_ITALIC = re.compile(r"^(.*?)<i>(.*?)</i>(.*)$", re.DOTALL)


def _clause(text: str) -> _Clause:
    """What a clause says of its value: `odour is <i>foul</i>` is a subject and a word, anything else a phrase too.

    >>> _clause("odour is <i>foul</i>")
    _Clause(spoken='the odour', word='foul', phrase='')
    >>> _clause("mushroom has <i>no rings</i>")
    _Clause(spoken='', word='no rings', phrase='the mushroom has no rings')
    """
    found = _ITALIC.match(text)
    before, word, after = (" ".join(part.split()) for part in found.groups()) if found else ("", "", "")
    if before.endswith(" is") and word and not after:
        return _Clause(_with_article(before.removesuffix(" is")), word, "")
    whole = " ".join(re.sub(r"</?i>", "", text).split())
    return _Clause("", word, _with_article(whole))


def _with_article(text: str) -> str:
    return text if text.split(" ", 1)[0].lower() in _DETERMINED else f"the {text}"


def _in_package(rest: str, place: str) -> Path:
    """A file that an installed package carries: `package:vaderSentiment/vader_lexicon.txt`."""
    package, _, inside = rest.partition("/")
    found = importlib.util.find_spec(package) if package.isidentifier() else None
    if found is None or not found.submodule_search_locations:
        raise InputError(
            place, f"no installed package {shown(package)}", "one that carries the file", f"pip install {package}"
        )
    return Path(found.submodule_search_locations[0]) / inside
