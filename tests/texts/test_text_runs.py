"""Whole runs over free text: with a simulated person, and with a language model behind a real server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, final

import numpy as np
import pytest

from bench.site import Site
from imitative import showing
from imitative.calls import Paid
from imitative.config import load_problem
from imitative.data import Table
from imitative.describing import describe
from imitative.errors import InputError
from imitative.guidance import Guided
from imitative.hypotheses.text import TextHypothesis
from imitative.labels import load_model
from imitative.loaded import LoadedProblem
from imitative.overseers.overseer import Overseer
from imitative.problems.huskies import FEATURES, huskies
from imitative.records import Answer, Judgement, Kind, Query
from imitative.running import run_problem, write_report
from imitative.serving import reader
from imitative.settings import Settings
from imitative.store import Run
from imitative.testing.server import Serving
from imitative.testing.world import World
from imitative.texts.induction import TextInduced, induce_text
from imitative.texts.labelling import held_out
from imitative.texts.prior import TextPrior
from imitative.texts.problem import TextProblem
from imitative.texts.proposing import LanguageModelProposer, Proposal, Situation, StatementProposer
from imitative.texts.reading import TextReading
from imitative.texts.study import TextStudy


def toml(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def husky_folder(folder: Path, overseer: str, rest: str = "", budget: int = 120) -> Path:
    """The huskies as a user would write them: two CSV files and a problem.toml."""
    loaded = huskies(0)
    features = [feature for feature in FEATURES if feature.name != "description"]
    for name, table, answers in (
        ("known.csv", loaded.problem.labelled.table, loaded.problem.labelled.answers),
        ("new.csv", loaded.problem.unlabelled, loaded.truth.answers if loaded.truth else np.empty(0)),
    ):
        lines = [",".join([*(feature.name for feature in features), "answer"])]
        for i in range(len(table)):
            row = table.row(i)
            cells = ["" if row[feature.name] is None else str(row[feature.name]) for feature in features]
            lines.append(",".join([*cells, loaded.problem.answers[int(answers[i])]]))
        (folder / name).write_text("\n".join(lines), "utf-8")
    said = [
        f'[problem]\nname = "huskies-in-text"\nquestion = {toml(loaded.problem.question)}\nbudget = {budget}',
        "[answers]\n" + "\n".join(f"{toml(name)} = {toml(text)}" for name, text in loaded.problem.spoken.items()),
        '[labelled]\nfile = "known.csv"\nanswer = "answer"\nevidence = 0.25',
        '[unlabelled]\nfile = "new.csv"\ntruth = "answer"',
        '[space]\nkind = "text"\nmax_words = 300',
        overseer,
        rest,
    ]
    for feature in features:
        lines = [f"[features.{feature.name}]", f"spoken = {toml(feature.spoken)}", f"kind = {toml(feature.kind.value)}"]
        if feature.discrete and feature.kind.value != "boolean":
            lines.append(f"values = {toml(list(feature.values))}")
        for name, table_of in (("words", feature.words), ("phrases", feature.phrases)):
            inline = ", ".join(f"{toml(key)} = {toml(text)}" for key, text in table_of.items())
            lines.append(f"{name} = {{ {inline} }}")
        said.append("\n".join(lines))
    (folder / "problem.toml").write_text("\n\n".join(said), "utf-8")
    return folder


def model_of(server: Serving, more: str = "") -> str:
    return (
        f'[overseer]\nkind = "language_model"\nmodel = "world"\nbase_url = "{server.base_url}"\n'
        f"price = {{ input = 0.15, output = 0.6 }}\n{more}"
    )


@pytest.fixture
def server() -> Iterator[Serving]:
    loaded = huskies(0)
    with Serving(World(loaded.build_overseer(0), loaded.problem)) as serving:
        yield serving


PERSON = '[overseer]\nkind = "simulated"\nbelieves = [\n  "If the dog has a thick, fluffy coat, the dog is a husky (moderate evidence).",\n  "If the dog has pointed ears, the dog is a husky (moderate evidence).",\n  "If the tail curls over the back, the dog is a husky (slight evidence).",\n]\nirrelevant = -7.0\ntolerance = 2.0\nrelevance = { coat = 2, ears = 2, tail = 2, eyes = 2, mask = 2, build = 2, muzzle = 2, kilograms = 2 }\n'  # noqa: E501


def test_a_run_with_a_simulated_person_and_no_language_model(tmp_path: Path) -> None:
    folder = husky_folder(tmp_path, PERSON, budget=120)
    loaded = load_problem(folder)
    described = describe(loaded)
    assert (described["overseer"], described["space"]["max_words"]) == ("simulated", 300)
    result = run_problem(loaded, tmp_path / "run")
    assert result["accuracy"]["unlabelled"] > 0.9
    assert result["judgements"]["cost"] == 0.0
    clauses = result["statements"]
    assert [clause["text"] for clause in clauses] == result["hypothesis"].split("\n\n")
    assert max(clause["decides"] for clause in clauses) > 0
    with Run.load(tmp_path / "run") as run:
        page = Site(tmp_path, run=run).entered("lea", "lead").get("/lead").text
    for clause in clauses:
        assert f"Without it, {clause['decides']:,} of them would be answered otherwise." in page
    assert "husky" in (tmp_path / "run" / "report.html").read_text("utf-8")
    model = load_model(tmp_path / "run")
    again = model.probabilities(loaded.problem.unlabelled)
    rows = (tmp_path / "run" / "labels.csv").read_text("utf-8").splitlines()[1:]
    assert [row.split(",")[1] for row in rows] == [model.answers[i] for i in again.argmax(axis=1)]
    assert write_report(tmp_path / "run").exists()


def test_a_reply_to_other_fields_is_no_reply_to_these(server: Serving, tmp_path: Path) -> None:
    """Further fields are sent with every request, and what came back is known by them, in a shared file too."""
    query = Query(Kind.COMPARE_HYPOTHESES, ("Dogs with pointed ears are huskies.", "Dogs on snow are huskies."))
    for effort, asked in (("none", True), ("high", True), ("none", False)):
        server.seen.bodies.clear()
        more = f'extra = {{ reasoning_effort = "{effort}" }}\ncache = "{tmp_path / "calls.sqlite"}"'
        loaded = load_problem(husky_folder(tmp_path, model_of(server, more), budget=20))
        assert loaded.keep_in is not None
        asyncio.run(loaded.keep_in(str(tmp_path / "run")).build_overseer(0).judge([query]))
        assert {body.get("reasoning_effort") for body in server.seen.bodies} == ({effort} if asked else set())


@pytest.mark.slow
def test_a_run_with_a_language_model_that_judges_and_proposes(server: Serving, tmp_path: Path) -> None:
    folder = husky_folder(tmp_path, model_of(server, "limits = { money = 1.0 }"), budget=200)
    result = run_problem(load_problem(folder), tmp_path / "run")
    assert result["accuracy"]["unlabelled"] > 0.9
    [calls] = result["calls"]["models"]
    assert calls["calls"] == server.seen.requests == sum(line["calls"] for line in calls["purposes"])
    assert calls["money"] == pytest.approx(sum(line["money"] for line in calls["purposes"]))
    proposing = sum(line["money"] for line in calls["purposes"] if line["purpose"] == "proposing")
    assert result["judgements"]["cost"] == pytest.approx(calls["money"] - proposing)
    # Again: every judgement is a row and every call is known.
    before = server.seen.requests
    assert run_problem(load_problem(folder), tmp_path / "run")["hypothesis"] == result["hypothesis"]
    assert server.seen.requests == before


@pytest.mark.slow
def test_a_limit_stops_the_run_and_a_higher_one_goes_on(server: Serving, tmp_path: Path) -> None:
    limited = husky_folder(tmp_path, model_of(server, "limits = { calls = 60 }"), budget=60)
    with pytest.raises(InputError, match=r"overseer\.limits\.calls: found 60 of 60 calls"):
        run_problem(load_problem(limited), tmp_path / "run")
    assert server.seen.requests == 60
    husky_folder(tmp_path, model_of(server), budget=60)
    stopped = run_problem(load_problem(tmp_path), tmp_path / "run")
    straight = run_problem(load_problem(tmp_path), tmp_path / "other")
    assert stopped["hypothesis"] == straight["hypothesis"]
    assert stopped["calls"]["models"][0]["calls"] == straight["calls"]["models"][0]["calls"]


@pytest.mark.slow
def test_a_mixed_overseer_is_compared_and_corrected(server: Serving, tmp_path: Path) -> None:
    mixed = (
        '[overseer]\nkind = "mixed"\nshare = 0.2\naudit_share = 0.5\n\n'
        + model_of(server).replace("[overseer]", "[overseer.model]")
        + "\n\n"
        + PERSON.replace("[overseer]", "[overseer.people]")
    )
    result = run_problem(load_problem(husky_folder(tmp_path, mixed, budget=150)), tmp_path / "run")
    assert set(result["judgements"]["by_judge"]) == {"model world", "simulated"}
    corrected = result["audit"]["corrected"]
    assert corrected["low"] <= corrected["value"] <= corrected["high"]
    assert corrected["n"] >= 2
    assert {entry["kind"] for entry in result["disagreement"]} >= {"answer"}


@pytest.mark.slow
def test_a_model_may_judge_statements_too(server: Serving, tmp_path: Path) -> None:
    folder = husky_folder(tmp_path, model_of(server), budget=20)
    text = (folder / "problem.toml").read_text("utf-8").replace('kind = "text"\nmax_words = 300', "statements = 3")
    (folder / "problem.toml").write_text(text, "utf-8")
    loaded: LoadedProblem = load_problem(folder)
    assert loaded.study is None
    result = run_problem(loaded, tmp_path / "run")
    assert result["calls"]["models"][0]["calls"] == server.seen.requests > 0


BAD = [
    ('[overseer]\nkind = "language_model"\nmodel = "m"\nbase_url = "nonsense"', "", "overseer.base_url"),
    ('[overseer]\nkind = "language_model"\nmodel = "m"\nkey = "HOME"', "", "overseer.key"),
    ('[overseer]\nkind = "language_model"\nmodel = "m"\nlimits = { money = 1 }', "", "no price of 'm'"),
    ('[overseer]\nkind = "language_model"\nmodel = "m"\nprices = "none.toml"', "", "none.toml"),
    ('[overseer]\nkind = "language_model"\nmodle = "m"', "", "did you mean 'model'"),
    ('[overseer]\nkind = "language-model"\nmodel = "m"', "", "language_model"),
    (PERSON, '[proposer]\nkind = "language_model"', "proposer.model"),
    (PERSON, '[proposer]\nkind = "people"', "proposer.kind"),
    (PERSON, "[judges]\nkind = \"oracle\"", "judges.kind"),
]  # fmt: skip


@pytest.mark.parametrize(("overseer", "rest", "told"), BAD)
def test_bad_input_is_one_line_that_names_the_place(tmp_path: Path, overseer: str, rest: str, told: str) -> None:
    folder = husky_folder(tmp_path, overseer, rest)
    with pytest.raises(InputError) as error:
        load_problem(folder)
    assert told in str(error.value)
    assert "\n" not in str(error.value)


MODEL_A = """[overseer]
kind = "language_model"
model = "m"
base_url = "http://127.0.0.1:1/v1"
key = "IMITATIVE_KEY_A"
"""


@pytest.mark.parametrize(
    ("overseer", "proposer", "variable"),
    [
        (MODEL_A, 'base_url = "http://127.0.0.1:2/v1"', "IMITATIVE_API_KEY"),
        (MODEL_A, 'base_url = "http://127.0.0.1:2/v1"\nkey = "IMITATIVE_KEY_B"', "IMITATIVE_KEY_B"),
        (MODEL_A, 'model = "n"', "IMITATIVE_KEY_A"),  # the same server
        (PERSON, 'model = "n"\nbase_url = "http://127.0.0.1:2/v1"', "IMITATIVE_API_KEY"),
    ],
)
def test_a_key_goes_to_the_server_it_was_given_for(tmp_path: Path, overseer: str, proposer: str, variable: str) -> None:
    loaded = load_problem(husky_folder(tmp_path, overseer, f'[proposer]\nkind = "language_model"\n{proposer}'))
    assert isinstance(loaded.study, TextStudy)
    assert isinstance(loaded.study.proposer, LanguageModelProposer)
    paid = loaded.study.proposer.completer
    assert isinstance(paid, Paid)
    assert paid.server.service.variable == variable


def test_what_judges_write_joins_the_pool_and_whoever_is_excluded_teaches_nothing(tmp_path: Path) -> None:
    loaded = load_problem(husky_folder(tmp_path, PERSON))
    assert isinstance(loaded.study, TextStudy)
    study, written = loaded.study, "Nothing with floppy ears has ever been a husky."

    def found(excluded: str) -> TextInduced:
        guided = Guided((written,), frozenset((excluded,)))
        return induce_text(
            study.text, loaded.build_overseer(0), study.proposer, budget=30, settings=Settings(rounds=1),
            guide=lambda number: guided,
        )  # fmt: skip

    heard, unheard = found("nobody"), found("simulated")
    assert written in heard.pool.sections
    assert heard.prior.preference is not None
    assert unheard.prior.preference is None


def test_a_whole_text_that_somebody_wrote_is_where_the_search_begins() -> None:
    loaded = load_problem("huskies", seed=0)
    sections = [f"{said} (moderate evidence)." for said in (
        "If the dog has pointed ears, the dog is a husky", "If the dog has floppy ears, the dog is of another breed",
        "If the dog has a thick, fluffy coat, the dog is a husky",
    )]  # fmt: skip

    @final
    class Silent:
        async def propose(self, *situation: object) -> list[Proposal]:
            return []

    for written in (sections, sections[::-1]):
        guided = Guided(("\n\n".join(written),))
        induced = induce_text(
            TextProblem.of(loaded.problem), World(loaded.build_overseer(0), loaded.problem), Silent(), budget=30,
            settings=replace(loaded.settings, rounds=1), guide=partial(lambda given, number: given, guided),
        )  # fmt: skip
        # As it was written: a text put together of its sections would have them in the order of their worth.
        assert TextHypothesis(tuple(written)) in [scored.hypothesis for scored in induced.found]


def test_a_text_of_one_section_is_audited_against_its_rivals() -> None:
    loaded = load_problem("huskies", seed=0)
    text = TextProblem.of(loaded.problem, sections=1)
    person = World(loaded.build_overseer(0), loaded.problem)
    induced = induce_text(text, person, StatementProposer(), budget=60, settings=loaded.settings)
    asked = [j.query.hypotheses for j in induced.ledger.judgements if j.query.purpose == "audit"]
    assert asked
    assert all("\n" not in side for sides in asked for side in sides)
    audits = [done.audit for done in induced.rounds if done.audit is not None]
    assert sum(audit.judgements for audit in audits) == len(asked)
    last = audits[-1]
    told = [person.log_prior(a) - person.log_prior(b) for a, b in asked[-last.judgements :]]
    assert last.overseer == pytest.approx(sum(told), abs=2.0 * len(told))
    assert 1 < last.judgements <= 3


def test_what_an_audit_was_of_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = husky_folder(tmp_path, PERSON, budget=60)
    file, written = folder / "problem.toml", (folder / "problem.toml").read_text("utf-8")
    for sections, said, page in (
        (1, "z* over 3 rivals", "over its rivals"),
        (12, "sections", "of each section no more"),
    ):
        file.write_text(written.replace("max_words = 300", f"sections = {sections}"), "utf-8")
        out = tmp_path / str(sections)
        showing.result(run_problem(load_problem(folder), out))
        told = " ".join(capsys.readouterr().out.replace("\xa0", " ").split())
        assert f"{said} " in told[told.index("M_prior scores") :]
        assert page in write_report(out).read_text("utf-8")


def test_what_an_archive_was_asked_about_may_be_said() -> None:
    loaded = load_problem("huskies", seed=0)
    good, bad = "Dogs with pointed ears tend to be huskies.", "Dogs on snow tend to be huskies."
    queries = [Query(Kind.COMPARE_HYPOTHESES, (good, bad), repeat=i) for i in range(3)]

    @final
    class Kept:
        queries: Sequence[Query] = ()

        async def judge(self, queries: Sequence[Query]) -> list[Judgement]:
            return [Judgement(query, Answer(grade=1), "ann") for query in queries]

    archive = Kept()
    archive.queries = queries
    induced = induce_text(
        TextProblem.of(loaded.problem), archive, StatementProposer(), budget=30,
        settings=replace(loaded.settings, rounds=1),
    )  # fmt: skip
    assert {good, bad} <= set(induced.pool.sections)


def test_one_row_cannot_be_held_out() -> None:
    loaded = load_problem("huskies", seed=0)
    alone = replace(loaded.problem, labelled=loaded.problem.labelled.take(np.arange(1)))
    person = World(loaded.build_overseer(0), alone)
    induced = induce_text(TextProblem.of(alone), person, StatementProposer(), budget=20, settings=Settings(rounds=1))
    assert held_out(induced, 0) is None


def test_what_nobody_was_asked_about_is_nobodys_complaint_and_examples_are_answered_rightly() -> None:
    loaded = load_problem("huskies", seed=0)
    person, shown = World(loaded.build_overseer(0), loaded.problem), list[tuple[Situation, TextPrior, TextReading]]()

    @final
    class Seen:
        async def propose(
            self, situation: Situation, prior: TextPrior, reading: TextReading, rng: np.random.Generator
        ) -> list[Proposal]:
            shown.append((situation, prior, reading))
            return await StatementProposer().propose(situation, prior, reading, rng)

    induced = induce_text(TextProblem.of(loaded.problem), person, Seen(), budget=36, settings=loaded.settings)
    names = loaded.problem.answers
    judged = {s for j in induced.ledger.judgements for text in j.query.hypotheses for s in text.split("\n\n")}
    assert any(situation.complaints for situation, _, _ in shown)
    for situation, _, reading in shown[1:]:
        best = situation.best
        assert best is not None
        assert {*situation.complaints} <= {*best.sections} & judged
        for example in situation.answered:
            table = Table.of(loaded.problem.space.features, [example.question])
            said = reading.log_probabilities(table, best, names)[0].argmax()
            assert names[int(said)] == example.answer


@final
class Turning:
    """Somebody who finds every part of the first audited z* absurd, and an overseer and a proposer who are counted."""

    def __init__(self, overseer: Overseer) -> None:
        self.overseer, self.proposer, self.proposed, self.audits = overseer, StatementProposer(), 0, list[int]()

    async def judge(self, queries: Sequence[Query]) -> list[Judgement]:
        said = await self.overseer.judge(queries)
        audit = [j for j in said if j.query.kind is Kind.ODDS and j.query.purpose == "audit"]
        self.audits += [len(audit)] if audit else []
        if not audit or len(self.audits) > 1:
            return said
        fuller = [len(j.query.hypotheses[0]) > len(j.query.hypotheses[1]) for j in said]
        absurd = [Answer(ratio=0.001 if first else 1000.0) for first in fuller]
        return [replace(judgement, answer=answer) for judgement, answer in zip(said, absurd, strict=True)]

    async def propose(
        self, situation: Situation, prior: TextPrior, reading: TextReading, rng: np.random.Generator
    ) -> list[Proposal]:
        self.proposed += 1
        return await self.proposer.propose(situation, prior, reading, rng)


@pytest.mark.parametrize(("budget", "left"), [(150, True), (48, False)])
def test_a_text_that_its_last_audit_refutes_is_sought_once_more(budget: int, left: bool) -> None:
    loaded = load_problem("huskies", seed=0)
    text = TextProblem.of(loaded.problem)

    def found(ask_again: bool) -> tuple[TextInduced, Turning]:
        turning = Turning(World(loaded.build_overseer(0), loaded.problem))
        settings = replace(loaded.settings, rounds=2, ask_again=ask_again)
        return induce_text(text, turning, turning, budget=budget, settings=settings), turning

    induced, turning = found(ask_again=True)
    _, refuted, last = induced.rounds
    assert refuted.audit is not None
    assert not refuted.audit.survived
    assert turning.proposed == 2  # nobody could be asked about what would be written
    assert last.proposed == 0
    assert last.asked == (last.audit.judgements if last.audit is not None else 0)
    assert (len(turning.audits) == 2, last.audit is not None) == (left, left)
    assert last.score < refuted.score  # of the same pool: what was said to be absurd has been heard
    assert max(j.query.repeat for j in induced.ledger.judgements if j.query.purpose == "audit") == 1 + left
    frozen, turning = found(ask_again=False)
    assert len(frozen.rounds) == turning.proposed


def test_what_a_run_cannot_begin_with_is_told(tmp_path: Path) -> None:
    loaded = load_problem("huskies", seed=0)
    problem, nothing = loaded.problem, np.empty(0, dtype=np.int64)
    text = TextProblem.of(problem)

    def go(text: TextProblem) -> None:
        induce_text(text, loaded.build_overseer(0), StatementProposer(), budget=20, settings=Settings(rounds=1))

    with pytest.raises(ValueError, match="the problem's labelled has no rows"):
        go(replace(text, problem=replace(problem, labelled=problem.labelled.take(nothing))))
    with pytest.raises(ValueError, match="the problem's unlabelled has no rows"):
        go(replace(text, problem=replace(problem, unlabelled=problem.unlabelled.take(nothing))))
    folder = husky_folder(tmp_path, PERSON, budget=20)
    file = folder / "problem.toml"
    file.write_text(file.read_text("utf-8").replace("max_words = 300", "max_words = 5"), "utf-8")
    with pytest.raises(InputError, match=r"space\.max_words: found 5 words; expected at least 9"):
        run_problem(load_problem(folder), tmp_path / "run")


def test_judges_of_texts_are_told_what_can_be_said(tmp_path: Path) -> None:
    """The page reads what they write by what the run has told of its space."""
    loaded = load_problem(husky_folder(tmp_path, '[overseer]\nkind = "people"'))
    with Run.open(tmp_path / "run", "huskies", loaded.fingerprint, 0, 60) as run:
        read = reader(run)
        assert not read("Floppy ears are no husky's.").readable
        run.event("people", {"space": loaded.described})
        assert read("Floppy ears are no husky's.").readable
        assert read(" \n ").said == "nothing was written"
        assert "more than 300" in read("husky " * 301).said
