"""problem.toml ↔ objects; the only file that knows the concrete classes.

loaded = load_problem("examples/mushrooms/problem.toml", data="../shared/data")
loaded = load_problem("huskies")
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, final

import numpy as np

from imitative.columns import Stated
from imitative.data import Feature, FeatureKind, Table
from imitative.errors import InputError, did_you_mean, listed, one_line, shown
from imitative.hypotheses.vocabulary import cut_points, vocabulary
from imitative.loaded import LoadedProblem
from imitative.overseer_config import OverseerConfig, told_apart
from imitative.overseers.overseer import Overseer
from imitative.parts import Part, check_pattern
from imitative.problem import Problem, Truth
from imitative.problem_file import (
    CausalJudgesSection,
    FileSection,
    LanguageModelSection,
    LimitsSection,
    MixedSection,
    ModelProposerSection,
    NamesFile,
    PeopleSection,
    PriceSection,
    RecordedSection,
    SimulatedSection,
    WordsSection,
    quoted,
)
from imitative.problem_source import ProblemSource
from imitative.reading import Data, read_data
from imitative.records import content_key
from imitative.settings import Settings

if TYPE_CHECKING:
    from imitative.calls import Paid, Price, Service
    from imitative.hypotheses.statements import StatementSpace
    from imitative.overseers.prompts import Phrasing
    from imitative.texts.judges import Judges
    from imitative.texts.proposing import Proposer

__all__ = ["LoadedProblem", "load_problem"]

CALLS = "calls.sqlite"
"""Calls that were paid for, in the run's folder."""


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


@final
class _Loader:
    """One problem file on its way to objects."""

    def __init__(self, path: Path, data: Path | None) -> None:
        self._source = ProblemSource(path, data)
        self._file = self._source.file
        self._who = OverseerConfig(self._source)

    def load(self, seed: int | None) -> LoadedProblem:
        """D and D′, then the space that can speak of them, then whoever judges."""
        file = self._file
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
            source=str(self._source.path),
            images=self._who.images(file.overseer),
            judged=self._judged(),
            origin=data.origin,
        )
        return self._with_models(loaded, None)

    def _judged(self) -> str:
        """See `LoadedProblem.judged`; people are the same whether the file or `--people` asks for them."""
        file = self._file
        if isinstance(file.overseer, PeopleSection):
            return file.overseer.kind
        return content_key([file.problem.question, told_apart(file.overseer)])

    def _with_models(self, loaded: LoadedProblem, folder: Path | None) -> LoadedProblem:
        """Who judges and who proposes; calls that cost money are kept in `folder`, or nowhere."""
        desk = _Desk(self._source, self._who, loaded.problem, folder)
        build = desk.overseer(self._file.overseer, "overseer")
        study = None
        if self._file.space.kind == "text":
            study = desk.study(self._file.space.max_words, self._file.space.sections)
        elif self._file.proposer is not None:
            raise InputError(
                self._source.at("proposer"), "a proposer", '[space] kind = "text"', "statements propose themselves"
            )
        if not desk.paid:
            return replace(loaded, build_overseer=build, study=study)
        keep_in = (lambda folder: self._with_models(loaded, Path(folder))) if folder is None else None
        return replace(loaded, build_overseer=build, study=study, keep_in=keep_in, told=desk.told)

    def _read(self) -> Data:
        file, features = self._file, self._file.features
        first = self._source.table(file.labelled, "labelled")
        said = file.unlabelled.model_dump(exclude_unset=True, exclude={"truth"})
        taken = file.labelled.model_dump(
            exclude={"answer", "evidence", "where"} | ({"separator"} if "file" in said else set())
        )
        second = self._source.table(FileSection(**(taken | said)), "unlabelled")
        parts = tuple(self._parts())
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
            replace(first, parts=parts),
            replace(second, parts=parts),
            answer=file.labelled.answer,
            answers=tuple(file.answers),
            truth=file.unlabelled.truth,
            stated=columns,
            named=named,
            only=features.only,
            leave_out=features.leave_out,
            kept=[image] if (image := getattr(file.overseer, "image", None)) else [],
            place=str(self._source.path),
        )

    def _parts(self) -> Iterator[Part]:
        """The features that are found in other columns."""
        for name, section in self._file.features.columns.items():
            if section.part_of is not None:
                column, pattern = section.part_of.column, section.part_of.pattern
                if name != one_line(name) or not name:
                    raise InputError(self._source.at("features"), shown(name), "a name that can be printed in one line")
                try:
                    check_pattern(pattern)
                except ValueError as error:
                    place = self._source.at(f"features.{quoted(name)}.part_of.pattern")
                    raise InputError(place, str(error), "a regular expression with at most one group") from None
                yield Part(name, column, pattern)

    def _names(self, section: NamesFile) -> dict[str, Stated]:
        """Column → what a table of clauses says of it: `odor=f`, `odour is <i>foul</i>`."""
        pairs = self._source.columns(section, "features.names", {"value": section.value, "clause": section.clause})
        found: dict[str, Stated] = {}
        for row, (value, clause) in enumerate(zip(pairs["value"], pairs["clause"], strict=True), 1):
            name, equals, code = (value or "").partition("=")
            if not equals or not clause:
                place = self._source.at(f"features.names: row {row}")
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

    # -- the space ---------------------------------------------------------------------------------------------------

    def _space(self, data: Data) -> StatementSpace:
        from imitative.hypotheses.statements import Limits, StatementSpace

        section, tables = self._file.space, (data.labelled.table, data.unlabelled)
        features = data.unlabelled.features
        words = {f.name: self._words(section.words, f, tables) for f in features if f.kind is FeatureKind.TEXT}
        cuts = {
            f.name: cut_points(np.concatenate([table.numbers(f.name) for table in tables]), section.cuts)
            for f in features
            if f.kind is FeatureKind.NUMERIC
        }
        limits = Limits(section.statements, section.conditions, section.cuts)
        answers, rated = dict(self._file.answers), self._rated(words)
        try:
            return StatementSpace(features, tuple(answers), answers, limits, words, cuts, rated)
        except ValueError as error:
            raise InputError(self._source.at("features"), str(error), "sentences that can be told apart") from None

    def _words(self, section: WordsSection, feature: Feature, tables: Sequence[Table]) -> tuple[str, ...]:
        if section.source != "data":
            for i, word in enumerate(section.source):
                if not _A_WORD.fullmatch(word):
                    raise InputError(
                        self._source.at(f"space.words.from[{i}]"), shown(word), "one word, in small letters"
                    )
            return tuple(dict.fromkeys(section.source))
        return vocabulary(feature.name, tables, section.minimum, section.most, self._items)

    @cached_property
    def _items(self) -> frozenset[str]:
        """What the archive holds ratings of."""
        archive = self._file.overseer
        if not isinstance(archive, RecordedSection) or archive.ratings is None:
            return frozenset()
        return frozenset(item for item, *_ in self._who.ratings(archive.ratings))

    def _rated(self, words: Mapping[str, Sequence[str]]) -> dict[str, set[str]]:
        """Text feature → those of its words that the archive holds ratings of."""
        return {name: set(known) & self._items for name, known in words.items()} if self._items else {}

    # -- who judges --------------------------------------------------------------------------------------------------


@final
class _Desk:
    """Builds who judges and who proposes, and the calls they share.

    Args:
        source: the file.
        who: who judges but for models.
        problem: what is judged.
        folder: of the run, where calls are kept; None: nothing is asked yet, as for `imitative check`.
    """

    def __init__(self, source: ProblemSource, who: OverseerConfig, problem: Problem, folder: Path | None) -> None:
        self._source, self._who = source, who
        self.problem, self.folder = problem, folder
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
            return self._reading_texts(self._who.simulated(section, space))
        if isinstance(section, RecordedSection):
            return self._who.recorded(section, space)
        if isinstance(section, PeopleSection):
            return self._who.people(section, self.problem)
        if isinstance(section, MixedSection):
            return self._mixed(section, key)
        return self._language_model(section, key)

    def _reading_texts(self, build: Callable[[int], Overseer]) -> Callable[[int], Overseer]:
        """A simulated person understands the controlled English in a text."""
        if self._source.file.space.kind != "text":
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
            raise InputError(self._source.at("answers"), found, f"at most {MOST_ANSWERS} with a language model")
        service = self._service(section, key)
        price = self._price(section.price, section.prices, section.model, key)
        paid = self._pay(service, price, section.limits, key, section.cache, section.at_once)
        phrasing = self.phrasing(section.persona)
        url, model = service.base_url, service.model
        return lambda seed: LanguageModel(paid, url, model, phrasing, section.votes, section.extra)

    def phrasing(self, persona: str = "") -> Phrasing:
        """How this problem's queries are put into words."""
        from imitative.overseers.prompts import Phrasing

        problem = self.problem
        return Phrasing(problem.question, problem.spoken, problem.space.features, " ".join(persona.split()))

    def study(self, max_words: int, sections: int) -> Any:
        """Steps 1–4 over free text."""
        from imitative.texts.problem import TextProblem
        from imitative.texts.study import TextStudy

        judges = self._source.file.judges
        made = self._judges(judges) if isinstance(judges, CausalJudgesSection) else None
        return TextStudy(TextProblem.of(self.problem, max_words, sections), self._proposer(), made)

    def _judges(self, section: CausalJudgesSection) -> Callable[[int], Judges]:
        """seed → a causal trunk as M_prior and M_L; loaded when a run first reads with it."""
        from imitative.texts.causal import load_reader
        from imitative.texts.judges import TrunkJudges
        from imitative.texts.trunk import Sharing

        folder = self._source.resolve(section.model, "judges.model")
        if not (folder / "config.json").is_file():
            remedy = "save one there with model.save_pretrained and tokenizer.save_pretrained"
            raise InputError(self._source.at("judges.model"), str(folder), "a folder with a transformers model", remedy)
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

        section = self._source.file.proposer
        judge = self._source.file.overseer
        model = judge.model if isinstance(judge, MixedSection) else judge
        if not isinstance(section, ModelProposerSection):
            if section is None and isinstance(model, LanguageModelSection):
                section = ModelProposerSection(kind="language_model")
            else:
                return StatementProposer()
        base = model if isinstance(model, LanguageModelSection) else None
        if section.model is None and base is None:
            raise InputError(
                self._source.at("proposer.model"), "nothing", "a model's name", "name one, and its base_url"
            )
        same = base is not None and section.model in (None, base.model) and section.base_url in (None, base.base_url)
        if same and self.paid:
            paid = self.paid[0]  # the overseer's model, on the same account
        else:
            said = {k: v for k in ("model", "base_url") if (v := getattr(section, k)) is not None}
            taken = base.model_dump(include={"model", "base_url", "key", "context", "timeout"}) if base else {}
            if said.get("base_url", taken.get("base_url")) != taken.get("base_url"):
                taken.pop("key", None)  # a key is for the server it was given for
            own = section.model_dump(include={"key", "context", "timeout"}, exclude_unset=True)
            full = LanguageModelSection.model_validate(taken | own | said | {"kind": "language_model"})
            price = self._price(section.price, section.prices, full.model, "proposer")
            paid = self._pay(self._service(full, "proposer"), price, section.limits, "proposer", None, 4)
        service = paid.server.service
        extra = {**service.extra, **section.extra}  # sent either way; a reply is known by what its call says was sent
        return LanguageModelProposer(paid, service.base_url, service.model, extra, section.temperature)

    def _service(self, section: LanguageModelSection, key: str) -> Service:
        from imitative.calls import Service

        said = section.model_dump(include={"model", "base_url", "key", "context", "timeout", "extra"})
        return Service(**said, place=self._source.at(key))

    def _price(self, inline: PriceSection | None, file: str | None, model: str, key: str) -> Price | None:
        from imitative.calls import Price, read_prices

        if inline is not None:
            return Price(inline.input, inline.output)
        if file is None:
            return None
        prices = read_prices(self._source.resolve(file, f"{key}.prices"))
        if model not in prices:
            remedy = did_you_mean(model, prices) or "add it"
            raise InputError(
                self._source.at(f"{key}.prices"), f"no price of {model!r}", f"one of {listed(prices)}", remedy
            )
        return prices[model]

    def _pay(
        self, service: Service, price: Price | None, limits: LimitsSection, key: str, cache: str | None, at_once: int
    ) -> Paid:
        from imitative.calls import Book, Limits, Paid, Server

        place = self._source.at(f"{key}.limits")
        path = None if self.folder is None else self.folder / CALLS
        if cache is not None and self.folder is not None:
            path = self._source.resolve(cache, f"{key}.cache")
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
