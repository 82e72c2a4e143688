"""[overseer] of a problem file → who judges: a person made of a table, an archive, or people."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from imitative.errors import InputError, did_you_mean, listed, no_column, shown
from imitative.exchange.lines import read_recorded
from imitative.loaded import LoadedProblem
from imitative.mail import Posting
from imitative.overseers.overseer import Overseer
from imitative.problem import Problem
from imitative.problem_file import (
    ComparisonsFile,
    LanguageModelSection,
    MixedSection,
    PeopleSection,
    RatingsFile,
    RecordedSection,
    RelevanceFile,
    SimulatedSection,
    quoted,
)
from imitative.problem_source import ProblemSource
from imitative.records import GRADES, Query

if TYPE_CHECKING:
    from imitative.hypotheses.statements import Statement, StatementSpace
    from imitative.overseers.people import People
    from imitative.overseers.recorded import Recorded, Stretch

MOST_LIKENED = 2000
"""Conditions that a sentence nobody can read is compared with, for an example that is like it."""

MOST_NATS = 50.0
"""What a rating may be worth: odds of e^50 to one are beyond what anybody can mean."""


def judged_by_record(loaded: LoadedProblem, folders: Sequence[Path]) -> LoadedProblem:
    """The same problem with what people said earlier, as `imitative import` keeps it, in the place of its overseer.

    Raises:
        InputError: naming the file, the line and the remedy.
    """
    from imitative.overseers.recorded import Recorded

    judgements = read_recorded(folders)
    recorded = Recorded(loaded.problem.space, judgements=judgements)
    _check_teaches(recorded, len(judgements), ", ".join(map(str, folders)))
    return replace(loaded, build_overseer=lambda seed: recorded, judged="recorded")


def told_apart(section: Any) -> Any:
    """What of an overseer makes it another: what it would answer, not what it costs or how fast it is asked."""
    match section:
        case PeopleSection():
            return section.kind
        case LanguageModelSection():
            return section.model_dump(include={"kind", "model", "persona", "votes", "extra"})
        case MixedSection():
            parts = {"model": told_apart(section.model), "people": told_apart(section.people)}
            return section.model_dump(include={"kind", "share", "audit_share"}) | parts
        case _:
            return section.model_dump(mode="json", exclude={"cost", "seconds"})


def _nearest(text: str, space: StatementSpace) -> str:
    """The sentence of the space that reads most like a text, of the first `MOST_LIKENED`; empty where there is none."""
    from imitative.hypotheses.statements import Statement, Strength

    said = {space.english.conditions((c,)): c for c in islice(space.conditions(), MOST_LIKENED)}
    near = difflib.get_close_matches(text.partition(",")[0].removeprefix("If "), said, n=1, cutoff=0.0)
    if not near:
        return ""
    answer = next((answer for answer in space.answers if space.spoken[answer] in text), space.answers[0])
    return space.show_statement(Statement((said[near[0]],), answer, Strength.MODERATE))


def _check_teaches(recorded: Recorded, given: int, place: str) -> None:
    """Refuse an archive that was given judgements, and can teach nothing of this problem."""
    if given and not recorded.queries:
        why = recorded.notes[0] if len(recorded.notes) > 1 else "import those of this problem"
        raise InputError(
            place, f"{given} judgements, none of which says anything of its hypotheses", "some that do", why
        )


def people(section: PeopleSection, show: Callable[[Query], dict[str, Any]], known: Sequence[Posting]) -> People:
    """People, as [overseer] describes them.

    Args:
        section: what it says.
        show: what they are shown of a query.
        known: checks, with the answers they should get.
    """
    from imitative.overseers.people import GRACE, People

    return People(
        show, checks=known, cap=section.overlap, wage=section.wage, cost=section.cost,
        grace=GRACE if section.grace is None else section.grace, instructions=section.instructions,
    )  # fmt: skip


@final
class OverseerConfig:
    """Builds who judges from what a problem file says of them.

    Args:
        source: the file.
    """

    def __init__(self, source: ProblemSource) -> None:
        self._source = source
        self._ratings: list[tuple[str, float, float, str]] | None = None

    def simulated(self, section: SimulatedSection, space: StatementSpace) -> Callable[[int], Overseer]:
        """seed → a person made of a table."""
        from imitative.overseers.simulated import Simulated

        believes = [self._belief(text, i, space) for i, text in enumerate(section.believes)]
        names = [feature.name for feature in space.features]
        for name in section.relevance:
            if name not in names:
                no_column(name, names, self._source.at("overseer.relevance"))
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
            from imitative.hypotheses.statements import Strength

            place = self._source.at(f"overseer.believes[{i}]")
            form = _nearest(text, space) or "If CONDITION, ANSWER (STRENGTH)."
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
            raise InputError(self._source.at(f"{key}.between"), shown(table.between), "two numbers, the lower first")
        columns = self._source.columns(table, key, {"feature": table.feature, "rating": table.rating})
        numbers = self._source.numbers(columns["rating"], key)
        ratings: dict[str, list[float]] = {}
        for row, (name, rating) in enumerate(zip(columns["feature"], numbers.tolist(), strict=True), 1):
            if math.isnan(rating) or name is None or name not in names:
                continue
            if not low <= rating <= high:
                raise InputError(self._source.at(f"{key}: row {row}"), f"the rating {rating:g}", f"{low:g} to {high:g}")
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
                no_column(name, list(features), self._source.at("overseer.covers"))
            place = self._source.at(f"overseer.covers.{quoted(name)}")
            values = {features[name].word(value): value for value in features[name].values}
            values |= {value: value for value in features[name].values}
            for word, covered in table.items():
                for each in (word, *covered):
                    if each not in values:
                        raise InputError(place, shown(each), f"one of {listed(values)}", did_you_mean(each, values))
                found[name, values[word]] = frozenset(values[each] for each in covered)
        return found

    def recorded(self, section: RecordedSection, space: StatementSpace) -> Callable[[int], Overseer]:
        """seed → what people said earlier; the same for every seed."""
        from imitative.overseers.recorded import Recorded

        comparisons: list[tuple[str, str, int, str]] = []
        ratings: list[tuple[str, float, float, str]] = []
        if section.comparisons is None and section.ratings is None and not section.judgements:
            expected = "at least one of them"
            raise InputError(self._source.at("overseer"), "neither judgements nor comparisons nor ratings", expected)
        if section.comparisons is not None:
            comparisons = self._comparisons(section.comparisons)
        if section.ratings is not None:
            ratings = self.ratings(section.ratings)

        features, words, favours = self._worth(section.ratings, space)
        self._check_rated(
            ratings, (min(features.between[0], words.between[0]), max(features.between[1], words.between[1]))
        )
        said = section.ratings
        doubts = None if said is None or said.doubts is None else (said.doubts[0], said.doubts[1])
        unrated, unrated_doubt = (None, None) if said is None else (said.unrated, said.unrated_doubt)
        folders = [section.judgements] if isinstance(section.judgements, str) else section.judgements or []
        said_before = read_recorded([self._source.resolve(folder, "overseer.judgements") for folder in folders])
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
        _check_teaches(recorded, len(said_before), self._source.at("overseer.judgements"))
        return lambda seed: recorded  # nothing in an archive is random, and reading every rule takes a while

    def people(self, section: PeopleSection, problem: Problem) -> Callable[[int], Overseer]:
        """seed → people, by the page or by programs."""
        from imitative.overseers.presenting import checks, presenter

        names = [feature.name for feature in problem.space.features]
        if section.image is not None and section.image not in names:
            no_column(section.image, names, self._source.at("overseer.image"))
        if (section.image is None) != (section.images is None):
            given = "image" if section.images is None else "images"
            raise InputError(
                self._source.at("overseer"), f"{given} alone", "image, a feature, and images, their folder"
            )
        show = presenter(problem, section.image)
        return lambda seed: people(section, show, checks(problem, show, seed) if section.checks else [])

    def images(self, section: object) -> str | None:
        """The folder of the pictures that people are shown, if any."""
        if not isinstance(section, PeopleSection) or section.images is None:
            return None
        folder = self._source.resolve(section.images, "overseer.images")
        if not folder.is_dir():
            raise InputError(self._source.at("overseer.images"), shown(str(folder)), "a folder", "check the path")
        return str(folder.absolute())

    def _check_rated(self, ratings: Sequence[tuple[str, float, float, str]], scale: tuple[float, float]) -> None:
        """Refuse what lies beyond the scale: *99* between −4 and 4 is a slip, and would outweigh all else."""
        (low, high), remedy = scale, "correct it, or set `between` to the ends of the scale"
        for item, rating, spread, _ in ratings:
            if not low <= rating <= high:
                place, expected = self._source.at("overseer.ratings.rating"), f"{low:g} to {high:g}"
                raise InputError(place, f"{rating:g} for {shown(item)}", expected, remedy)
            if not 0.0 <= spread <= high - low:
                place, expected = self._source.at("overseer.ratings.spread"), f"0 to {high - low:g}"
                raise InputError(place, f"{spread:g} for {shown(item)}", expected, remedy)

    def _worth(self, section: RatingsFile | None, space: StatementSpace) -> tuple[Stretch, Stretch, str | None]:
        """What ratings of features and of words are worth in nats, and which answer high ratings speak for."""
        from imitative.overseers.recorded import FEATURES, WORDS, Stretch

        key = "overseer.ratings"
        if section is None:
            return FEATURES, WORDS, None
        if (section.between is None) != (section.nats is None):
            given, other = ("between", "nats") if section.nats is None else ("nats", "between")
            raise InputError(self._source.at(key), f"{given} without {other}", "both or neither")
        if section.favours is not None and section.favours not in space.answers:
            near = did_you_mean(section.favours, space.answers)
            expected = f"one of {listed(space.answers)}"
            raise InputError(self._source.at(f"{key}.favours"), shown(section.favours), expected, near)
        if section.between is None or section.nats is None:
            return FEATURES, WORDS, section.favours
        (low, high), (least, most) = section.between, section.nats
        if low >= high:
            raise InputError(self._source.at(f"{key}.between"), shown(section.between), "two numbers, the lower first")
        if max(abs(least), abs(most)) > MOST_NATS:
            expected = f"numbers from -{MOST_NATS:g} to {MOST_NATS:g}"
            raise InputError(self._source.at(f"{key}.nats"), shown(section.nats), expected)
        stretch = Stretch((low, high), (least, most))
        return stretch, stretch, section.favours

    def _comparisons(self, section: ComparisonsFile) -> list[tuple[str, str, int, str]]:
        """(first, second, grade, judge): what was compared, 2 … −2 for the first, and who said so."""
        key = "overseer.comparisons"
        names = {"first": section.first, "second": section.second, "preference": section.preference}
        columns = self._source.columns(section, key, names | ({"judge": section.judge} if section.judge else {}))
        grades = self._source.numbers(columns["preference"], key)
        judges = columns.get("judge") or ["crowd"] * len(grades)
        found = []
        for row, (a, b, grade, judge) in enumerate(
            zip(columns["first"], columns["second"], grades.tolist(), judges, strict=True), 1
        ):
            if math.isnan(grade) or not a or not b:
                continue  # a comparison left out is a skip, not a tie
            if grade not in GRADES:
                raise InputError(self._source.at(f"{key}: row {row}"), f"{grade:g}", "a whole number from -2 to 2")
            found.append((a, b, int(grade), judge or "unknown"))
        return found

    def ratings(self, section: RatingsFile) -> list[tuple[str, float, float, str]]:
        """(item, rating, spread, judge): what was rated, how, its standard error (0 where not said), by whom."""
        if self._ratings is None:  # they say which words the space knows to be rated, and judge
            self._ratings = self._rated(section)
        return self._ratings

    def _rated(self, section: RatingsFile) -> list[tuple[str, float, float, str]]:
        key = "overseer.ratings"
        names = {"item": section.item, "rating": section.rating}
        names |= {part: name for part in ("spread", "judge") if (name := getattr(section, part))}
        columns = self._source.columns(section, key, names)
        ratings = self._source.numbers(columns["rating"], key).tolist()
        spreads = self._source.numbers(columns["spread"], key).tolist() if "spread" in columns else [0.0] * len(ratings)
        judges = columns.get("judge") or ["crowd"] * len(ratings)
        rows = zip(columns["item"], ratings, spreads, judges, strict=True)
        return [
            (item, rating, 0.0 if math.isnan(spread) else spread / math.sqrt(section.raters), judge or "unknown")
            for item, rating, spread, judge in rows
            if item and not math.isnan(rating)
        ]
