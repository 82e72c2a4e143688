"""One causal trunk as M_prior and M_L: it learns from judgements, forgets when told, and carries a whole run."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import final

import numpy as np
import pytest

from imitative.config import load_problem
from imitative.data import Floats
from imitative.guidance import Guided
from imitative.hypotheses.text import TextHypothesis, TextSpace
from imitative.overseers.overseer import Asked
from imitative.problems.huskies import huskies
from imitative.records import Answer, Judgement, Kind, Outcome, Query
from imitative.running import run_problem
from imitative.testing.tiny import tiny_model, word_tokenizer
from imitative.testing.world import World
from imitative.texts.causal import CausalReader
from imitative.texts.induction import induce_text
from imitative.texts.judges import TrunkJudges
from imitative.texts.labelling import transfer_text
from imitative.texts.prior import TextPrior, TextTraits
from imitative.texts.problem import TextProblem
from imitative.texts.proposing import StatementProposer
from imitative.texts.reading import Lexicon, TextReading
from tests.texts.test_text_runs import PERSON, husky_folder

PROBLEM = huskies(0).problem
TEXT = TextProblem.of(PROBLEM)
ENGLISH = [PROBLEM.space.english.conditions((c,)) for c in PROBLEM.space.conditions()]
CLAUSES = [PROBLEM.spoken[answer] for answer in PROBLEM.answers]
WORDS = [*ENGLISH, *CLAUSES, PROBLEM.question, "Dogs that look wolfish are huskies. If When A: B: . , Answer:"]
SEEN = ("coat", "ears", "tail", "background")
"""Features that items are told by here: fewer words are read sooner."""


def reader() -> CausalReader:
    tokenizer = word_tokenizer(WORDS)
    return CausalReader(tiny_model(len(tokenizer), layers=1), tokenizer, CLAUSES, PROBLEM.question)


@pytest.fixture(scope="module")
def make() -> Callable[[], TrunkJudges]:
    return lambda: TrunkJudges(reader, TEXT.phrasing, PROBLEM.answers, steps=40)


def sentence(i: int) -> str:
    return f"When {ENGLISH[i]}, {CLAUSES[0]}."


def preferring(rng: np.random.Generator, n: int, of: Sequence[int]) -> list[Judgement]:
    """Somebody who finds a text the more plausible, the lower its condition's number."""
    said = []
    for turn in range(n):
        a, b = (int(i) for i in rng.choice(of, 2, replace=False))
        query = Query(Kind.COMPARE_HYPOTHESES, (sentence(a), sentence(b)), repeat=turn)
        said.append(Judgement(query, Answer(grade=2 if a < b else -2), "ann"))
    return said


def test_a_prior_on_the_trunk_learns_what_is_preferred_and_forgets(make: Callable[[], TrunkJudges]) -> None:
    rng, of = np.random.default_rng(0), range(0, 40, 4)
    judges, space = make(), TextSpace()
    Lexicon(PROBLEM.space, judges.encode, reads=judges.reads)
    before = judges.encode([sentence(0), sentence(30)])
    np.testing.assert_allclose(np.linalg.norm(before, axis=1), 1.0, atol=1e-5)
    said = preferring(rng, 80, of)
    assert judges.learn(said)
    assert not judges.learn(said)
    bob = replace(said[-1], judge="bob")
    assert judges.learn([*said[:-1], bob])  # as many, but others
    assert judges.learn(said)
    prior = TextPrior.fit(TextTraits(space, judges.encode, [sentence(i) for i in of]), said)
    worth = [prior.worth(sentence(i)) for i in of]
    assert np.corrcoef(worth, list(of))[0, 1] < -0.8
    learned = judges.encode([sentence(0), sentence(30)])
    assert np.abs(learned - before).max() > 0.05
    judges.judges.reset()
    judges._mean = None
    np.testing.assert_allclose(judges.encode([sentence(0), sentence(30)]), before, atol=1e-5)
    assert judges.learn([*said, *preferring(rng, 1, of)])


def test_what_the_trunk_learns_depends_on_the_judgements_alone(make: Callable[[], TrunkJudges]) -> None:
    said = preferring(np.random.default_rng(1), 40, range(20))
    straight, twice = make(), make()
    straight.learn(said)
    twice.learn(said[:25])
    twice.learn(said)
    one, other = (judges.encode([sentence(i) for i in range(20)]) for judges in (straight, twice))
    np.testing.assert_allclose(one, other, atol=1e-6)


def test_a_reading_on_the_trunk_learns_what_people_make_of_words() -> None:
    """Nobody wrote down what *wolfish* means; people take it for pointed ears."""
    judges = TrunkJudges(reader, TEXT.phrasing, PROBLEM.answers, steps=80)
    lexicon = Lexicon(PROBLEM.space, judges.encode, reads=judges.reads)
    text, table = "Dogs that look wolfish are huskies.", PROBLEM.labelled.table
    rows = [{name: table.row(i)[name] for name in SEEN} for i in range(200)]
    pointed = np.array([row["ears"] == "pointed" for row in rows])
    husky = PROBLEM.answers.index("husky")
    said = []
    for i in range(150):
        query = Query(Kind.COMPARE_ANSWERS, (text,), rows[i], PROBLEM.answers, repeat=i)
        grade = 1 if pointed[i] == (husky == 0) else -1
        said.append(Judgement(query, Answer(grade=grade), "ann"))
    judges.learn(said)
    lexicon.forget()
    reading = TextReading.fit(lexicon, TEXT.space, said)
    rest = table.take(np.arange(150, 200))
    logits = reading.logits(rest, TextHypothesis((text,)))
    right = (logits.argmax(axis=1) == husky) == pointed[150:200]
    assert right.mean() > 0.8
    assert np.abs(lexicon.literal(text)).max() > 0.1  # the trunk's own reading, without what the comparisons add


@final
class Listening:
    """Judges who keep what they were taught."""

    def __init__(self, judges: TrunkJudges) -> None:
        self._judges, self.taught = judges, list[list[Judgement]]()

    def encode(self, texts: Sequence[str]) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
        return self._judges.encode(texts)

    def reads(self, conditions: Sequence[str]) -> Callable[[str], Floats]:
        return self._judges.reads(conditions)

    def answers_by(self, conditions: Sequence[str]) -> Callable[[str], Floats]:
        return self._judges.answers_by(conditions)

    def learn(self, judgements: Sequence[Judgement]) -> bool:
        self.taught.append(list(judgements))
        return self._judges.learn(judgements)


def test_whoever_is_excluded_teaches_nothing_and_an_audit_that_was_heard_does(tmp_path: Path) -> None:
    loaded = load_problem("huskies", seed=0)
    person = World(loaded.build_overseer(0), loaded.problem)
    listening = Listening(TrunkJudges(reader, TEXT.phrasing, PROBLEM.answers, steps=2))

    async def two(queries: Sequence[Query]) -> list[Judgement]:
        said = await person.judge(queries)
        return [replace(each, judge="bob" if each.query.key < "4" else "ann") for each in said]

    def without_bob(stage: str, judgements: Sequence[Judgement]) -> list[Judgement]:
        return [replace(each, answer=Answer(Outcome.SKIPPED)) if each.judge == "bob" else each for each in judgements]

    induced = induce_text(
        TEXT, Asked(two), StatementProposer(), budget=60, settings=replace(loaded.settings, rounds=1),
        judges=listening, guide=lambda number: Guided(excluded=frozenset({"bob"})),
    )  # fmt: skip
    refuted = [done for done in induced.rounds if done.audit is not None and not done.audit.survived]
    transfer_text(induced, heard=without_bob)
    last = listening.taught[-1]
    kinds = {each.query.kind for each in last if each.answered}
    assert {Kind.ODDS, Kind.COMPARE_ANSWERS, Kind.ANSWER} <= kinds
    assert {each.judge for each in last if each.answered} == {"ann"}
    assert any(each.query.purpose == "audit" for each in last) == bool(refuted)
    assert any(each.judge == "bob" for each in induced.ledger.judgements)


@pytest.mark.parametrize("sharing", ["adapter", pytest.param("trunk", marks=pytest.mark.slow)])
def test_a_run_whose_judges_are_a_causal_model(tmp_path: Path, sharing: str) -> None:
    made = reader()
    made.model.save_pretrained(tmp_path / "model")
    made.tokenizer.save_pretrained(tmp_path / "model")
    judges = f'[judges]\nkind = "causal"\nmodel = {json.dumps(str(tmp_path / "model"))}\nsteps = 10'
    judges += f'\nsharing = "{sharing}"'
    folder = husky_folder(tmp_path, PERSON, judges, budget=60)
    result = run_problem(load_problem(folder), tmp_path / "run")
    # A trunk of random weights knows nothing of dogs: what it must do is read, learn and say what D says.
    assert result["accuracy"]["labelled"] > 0.9
    assert result["scale"] is not None
    assert result["judgements"]["by_judge"]
    again = run_problem(load_problem(folder), tmp_path / "run")
    assert again["hypothesis"] == result["hypothesis"]
    assert again["log_prior"] == pytest.approx(result["log_prior"], abs=1e-6)
