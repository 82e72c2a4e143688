"""Free text against MIPROv2 of dspy: the same simulated person behind the same server, the same budget of calls.

MIPROv2 is driven without demonstrations in the prompt, as it is where only an instruction may be learned: with them,
what this person cannot read as a rule would be of no use to it. It summarises D by tens, tries the bare instruction
on examples of D for its own proposals, writes candidates and tries them on a sample of D that it did not write from
(Bayesian optimisation). Candidates, trials and samples are set so that what it does comes to the budget; every
request that reaches the server counts, and what it sends beyond is let pass. D′ is answered under its instruction
without noise and at no charge.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from importlib.util import find_spec
from io import StringIO
from typing import Any, NamedTuple, final

import numpy as np

from bench.figure import Bench, Row, at_least, paired_p
from bench.head_to_head import BUDGETS, SEEDS, Reached, ours, problems
from bench.prompted import MOST_RULES, Prompted
from imitative.calls.call import Message
from imitative.evaluation import accuracy
from imitative.hypotheses.text import split_sections
from imitative.loaded import LoadedProblem
from imitative.records import Question
from imitative.testing.server import Serving, Spoken, Wish, spoken_of
from imitative.testing.world import World
from imitative.texts.problem import TextProblem

MINIBATCH = 35
"""MIPROv2's own, used above fifty examples, as it does."""
FULL_EVERY = 5
TRIED = 3
"""Requests that one set of demonstrations is expected to take."""
_FIELD = re.compile(r"\[\[ ## (\w+) ## \]\]\n(.*?)(?=\n*\[\[ ## |\Z)", re.S)
_EXAMPLE = re.compile(r"Example\((\{.*?\})\)", re.S)


@final
class Instructed:
    """The simulated person before dspy's conversations; satisfies `server.Mind`.

    It answers an item as it answers gepa's, following the rules of the instruction. Asked for observations on examples
    it writes the rules it would write for our proposer; asked to sum up, it keeps the dozen it finds most plausible;
    asked for an instruction, it writes the basic one and a dozen of the rules it was told or would write for the
    demonstrations, by its taste and a Gumbel draw of scale 2, as it writes everything.
    """

    def __init__(self, prompted: Prompted) -> None:
        self.prompted, self.world = prompted, prompted.world
        self._drawn = 0

    @property
    def name(self) -> str:
        """The model's name."""
        return self.world.name

    def speak(self, messages: Sequence[Message], wish: Wish) -> Spoken:
        """See `server.Mind`."""
        system, last = messages[0].content, messages[-1].content
        fields = {name: text.strip() for name, text in _FIELD.findall(last)}
        wanted = re.findall(r"^\d+\. `(\w+)`", system.partition("Your output fields are:")[2], re.M)[0]
        self._drawn += 1
        said = self._said(wanted, system, fields, np.random.default_rng([self._drawn, self.world.seed]))
        reply = f"[[ ## {wanted} ## ]]\n{said}\n\n[[ ## completed ## ]]"
        return spoken_of(reply, read=sum(len(message.content) for message in messages) // 4)

    def _said(self, wanted: str, system: str, fields: dict[str, str], rng: np.random.Generator) -> str:
        match wanted:
            case "answer":
                instruction = system.partition("your objective is:")[2]
                bare = "\n".join(line.strip() for line in instruction.splitlines())
                return self.prompted.said(bare, self.world.item(fields["item"]))
            case "observations":
                found = [ast.literal_eval(text) for text in _EXAMPLE.findall(fields["examples"])]
                known = set(self._rules(fields.get("prior_observations", "")))
                return "\n\n".join(["", *self.world.rules(self._answered(found), rng, known), ""])
            case "summary":
                return "\n\n".join(self._dozen(self._rules(fields["observations"])))
            case "proposed_instruction":
                shown = re.findall(r"^Item: (.*?)\nAnswer: (.*?)$", fields.get("task_demos", ""), re.S | re.M)
                told = self._rules(fields.get("dataset_description", "") + "\n\n" + fields["basic_instruction"])
                examples = self._answered([{"item": item, "answer": answer} for item, answer in shown])
                new = self.world.rules(examples, rng, set(told))
                task = [s for s in split_sections(fields["basic_instruction"]) if not self._rules(s)]
                return "\n\n".join([*task, *self._dozen([*told, *new], rng)])
        return "It answers a question about an item."

    def _answered(self, examples: Sequence[dict[str, str]]) -> list[tuple[Question, str | None]]:
        answers = {clause: answer for answer, clause in self.world.problem.spoken.items()}
        known = [(self.world.item(e["item"]), answers.get(e["answer"].strip())) for e in examples]
        return [(question, answer) for question, answer in known if answer is not None]

    def _rules(self, text: str) -> list[str]:
        found = []
        for section in split_sections(text):
            try:
                self.world.problem.space.read_statement(section)
            except ValueError:
                continue
            found.append(section)
        return list(dict.fromkeys(found))

    def _dozen(self, rules: Sequence[str], rng: np.random.Generator | None = None) -> list[str]:
        space, person = self.world.problem.space, self.world.person
        drawn = {
            rule: person.taste(space.read_statement(rule)) + (float(rng.gumbel(scale=2.0)) if rng is not None else 0.0)
            for rule in rules
        }
        return sorted(drawn, key=lambda rule: -drawn[rule])[:MOST_RULES]


class Plan(NamedTuple):
    """How MIPROv2 is set for a budget."""

    candidates: int
    trials: int
    shown: int
    checked: int

    @property
    def minibatch(self) -> bool:
        """As MIPROv2 decides by itself."""
        return self.checked > 50


def planned(budget: int) -> Plan:
    """Settings that come to about the budget.

    summaries (a tenth of the examples, ten at most, and one) + TRIED and 3 a candidate + trials on the sample

    >>> planned(50), planned(2000)
    (Plan(candidates=2, trials=6, shown=12, checked=5), Plan(candidates=12, trials=34, shown=100, checked=100))
    """
    candidates, checked = int(np.clip(budget // 40, 2, 12)), int(np.clip(budget // 10, 5, 100))
    shown = int(np.clip(budget // 4, 10, 100))
    overhead = min(10, -(-shown // 10)) + 1 + (TRIED + 3) * candidates
    each = checked if checked <= 50 else MINIBATCH + checked / FULL_EVERY
    return Plan(candidates, max(2, math.ceil((budget - overhead - checked) / each)), shown, checked)


def against_mipro(bench: Bench) -> Iterator[Row]:
    """D′ accuracy at budgets from 50 to 2,000 calls."""
    for package in ("dspy", "optuna"):
        if find_spec(package) is None:
            raise ValueError(f"{package} is not installed: pip install 'imitative[rivals]'")
    for budget in BUDGETS:
        for name, load in problems(bench).items():
            mine, theirs = [], []
            for seed in SEEDS:
                mine.append(ours(bench, load(seed), budget, seed))
                theirs.append(mipro(load(seed), budget, seed))
                lead = mine[-1].unlabelled - theirs[-1].unlabelled
                bench.say(f"{name}, {budget} calls, seed {seed}: D′ {mine[-1].unlabelled:.3f}, above by {lead:.3f}")
            yield row(name, budget, mine, theirs)


def row(name: str, budget: int, mine: Sequence[Reached], theirs: Sequence[Reached]) -> Row:
    """Our mean less MIPROv2's; reached where it is above 0, and D no worse."""

    def mean(found: Sequence[Reached], part: str) -> float:
        return float(np.mean([getattr(each, part) for each in found]))

    lead = mean(mine, "unlabelled") - mean(theirs, "unlabelled")
    detail = {
        "D′": {"ours": [r.unlabelled for r in mine], "MIPROv2": [r.unlabelled for r in theirs]},
        "D": {"ours": [r.labelled for r in mine], "MIPROv2": [r.labelled for r in theirs]},
        "calls": {"ours": [r.calls for r in mine], "MIPROv2": [r.calls for r in theirs]},
        "p": paired_p([r.unlabelled for r in mine], [r.unlabelled for r in theirs]),
        "setting": planned(budget)._asdict(),
        "instruction": theirs[0].text,
    }
    no_worse = mean(mine, "labelled") >= mean(theirs, "labelled") - 1e-9
    return at_least(f"{name}, {budget} calls: D′ above MIPROv2's", lead, 0.0, detail, lead > 0.0 and no_worse)


def mipro(loaded: LoadedProblem, budget: int, seed: int) -> Reached:
    """MIPROv2 on the same."""
    import dspy

    assert loaded.truth is not None
    problem, plan = loaded.problem, planned(budget)
    prompted = Prompted(World(loaded.build_overseer(seed), problem, seed))
    text, mind = TextProblem.of(problem), Instructed(prompted)
    table, answers = problem.labelled.table, problem.labelled.answers
    clauses = [problem.spoken[answer] for answer in problem.answers]
    order = np.random.default_rng([seed, 9]).permutation(len(problem.labelled))[: plan.shown + plan.checked]
    data = [
        dspy.Example(item=text.phrasing.item(table.row(int(i))), answer=clauses[int(answers[i])]).with_inputs("item")
        for i in order
    ]
    basic = f"{problem.question} Reply with one of: {'; '.join(clauses)}."
    program: Any = dspy.Predict(dspy.Signature("item -> answer", basic))
    with Serving(mind) as server:
        model = dspy.LM(
            f"openai/{mind.name}", api_base=server.base_url, api_key="none", cache=False, num_retries=0, max_tokens=4000
        )
        # Some twenty thousand lines of logs and progress, among which a bench's own would be lost.
        dspy.disable_logging()
        with dspy.context(lm=model), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            optimiser = dspy.MIPROv2(
                metric=_right, auto=None, num_candidates=plan.candidates, max_bootstrapped_demos=0, max_labeled_demos=0,
                seed=seed, num_threads=1,
            )  # fmt: skip
            found = optimiser.compile(
                program, trainset=data[: plan.shown], valset=data[plan.shown :], num_trials=plan.trials,
                minibatch=plan.minibatch, minibatch_size=MINIBATCH, minibatch_full_eval_steps=FULL_EVERY,
            )  # fmt: skip
        calls = server.seen.requests
    best = str(found.signature.instructions)
    on_d, on_d2 = (prompted.meant(best, each) for each in (table, problem.unlabelled))
    return Reached(accuracy(loaded.truth.answers, on_d2) or 0.0, accuracy(answers, on_d) or 0.0, calls, best)


def _right(example: Any, predicted: Any, trace: Any = None) -> bool:
    return str(predicted.answer).strip() == str(example.answer)
