"""The benchmark's frame: its command line, its rows, its arithmetic. The figures take hours and are not run here."""

from __future__ import annotations

import doctest
import json
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from bench import __main__ as command
from bench import admission_rules, core, figure
from bench.__main__ import main, measure, report
from bench.admission_rules import Rule, by_majority, combinations
from bench.figure import Bench, Row, at_least, paired_p, plain


def reached(bench: Bench) -> Iterator[Row]:
    bench.say("half way")
    yield at_least("a: one", 0.97, 0.95, {"each": np.array([0.96, 0.98]), "none": float("nan")})
    yield Row("a: two", 3.0, "< 4", True, {})


def short(bench: Bench) -> Iterator[Row]:
    yield at_least("b", 0.5, 0.95, {})


def broken(bench: Bench) -> Iterator[Row]:
    yield at_least("c: before", 1.0, 0.95, {})
    raise RuntimeError("the tree fell over")


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three figures of this file instead of the core's."""
    figures = {name: (f"{__name__}:{name}", name == "broken") for name in ("reached", "short", "broken")}
    monkeypatch.setattr(core, "FIGURES", figures)
    monkeypatch.delenv("IMITATIVE_DATA", raising=False)
    monkeypatch.setattr(command, "import_module", lambda name: core if name == "bench.core" else _HERE)


class _HERE:  # this file is imported under a name of pytest's own
    reached, short, broken = staticmethod(reached), staticmethod(short), staticmethod(broken)


@pytest.mark.usefixtures("few")
class TestCommand:
    def test_a_reached_figure_is_success(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        file = tmp_path / "rows.json"
        assert main(["core", "--only", "reached", "--json", str(file)]) == 0
        said = capsys.readouterr()
        assert "half way" in said.err
        lines = said.out.splitlines()
        assert lines[0].split() == ["figure", "measured", "to", "reach", "reached", "seconds"]
        assert lines[1].split() == ["a:", "one", "0.97", "≥", "0.95", "yes", lines[1].split()[-1]]
        rows = json.loads(file.read_text("utf-8"))
        assert [set(row) for row in rows] == [{"figure", "value", "target", "reached", "detail"}] * 2
        assert rows[0]["detail"]["each"] == [0.96, 0.98]
        assert rows[0]["detail"]["none"] is None
        assert rows[0]["detail"]["seconds"] >= 0.0
        assert [path.name for path in tmp_path.iterdir()] == ["rows.json"]

    def test_a_figure_that_falls_short_fails(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["core", "--only", "reached", "--only", "short"]) == 1
        assert "2 of 3 figures reached; short: b" in capsys.readouterr().out

    def test_a_broken_figure_is_a_row_and_the_others_go_on(self, tmp_path: Path) -> None:
        file = tmp_path / "rows.json"
        assert (
            main(["core", "--data", str(tmp_path), "--only", "broken", "--only", "reached", "--json", str(file)]) == 1
        )
        rows = json.loads(file.read_text("utf-8"))
        assert [row["figure"] for row in rows] == ["c: before", "broken: not measured", "a: one", "a: two"]
        assert rows[1]["detail"]["error"] == "RuntimeError: the tree fell over"
        assert rows[1]["value"] is None

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            ([], "required"),
            (["moon"], "invalid choice"),
            (["core", "--only", "moon"], "there are reached, short, broken"),
            (["core", "--data", "no/such/folder"], "no/such/folder is no folder"),
            (["core"], "broken is measured on real data"),
            (["core", "--only", "short", "--json", "no/such/folder/rows.json"], "no such folder"),
        ],
    )
    def test_wrong_usage_is_2(self, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 2
        assert said in capsys.readouterr().err


def test_nothing_measured_is_no_success() -> None:
    assert not report(measure({}, None), None)


def test_every_figure_of_every_capability_can_be_loaded() -> None:
    for name in command.CAPABILITIES.values():
        for place, _ in import_module(name).FIGURES.values():
            module, _, function = place.partition(":")
            assert callable(getattr(import_module(module), function)), place


def test_a_bench_without_data_says_so() -> None:
    with pytest.raises(ValueError, match="give --data DIR"):
        _ = Bench().data


def test_doctests() -> None:
    for module in (figure, admission_rules):
        assert doctest.testmod(module).failed == 0


class TestPaired:
    def test_no_difference_is_certain_to_be_as_large(self) -> None:
        assert paired_p([1.0] * 8, [1.0] * 8) == 1.0

    def test_exact_and_drawn_agree(self) -> None:
        rng = np.random.default_rng(0)
        better, worse = rng.normal(0.3, 1.0, 16).tolist(), [0.0] * 16
        exact = paired_p(better, worse)
        # One more pair without a difference leaves the exact p as it is, but is past the limit of the exact test.
        assert paired_p([*better, 0.0], [*worse, 0.0]) == pytest.approx(exact, abs=0.005)

    def test_the_two_sides_are_each_others_complement(self) -> None:
        a, b = [0.9, 0.8, 0.95, 0.7], [0.85, 0.9, 0.6, 0.65]
        assert paired_p(a, b) + paired_p(b, a) >= 1.0


def test_plain_json() -> None:
    assert plain({1: (np.float64(0.5), np.int64(2), float("inf"), "x", None, True)}) == {
        "1": [0.5, 2, None, "x", None, True]
    }


class TestRules:
    @pytest.mark.parametrize(
        ("sentences", "admitted", "rejected"),
        [
            (["Students with an A in Math will be admitted, otherwise rejected"], ("A", 0), ("B", 4)),
            (["A student will be admitted if they have an F in Math AND 0 publications."], ("F", 0), ("F", 1)),
            (["Students with A in Math and at least one publication will be admitted"], ("A", 1), ("A", 0)),
            (["Students with a B or C in math", "Students with more than 3 publications"], ("C", 0), ("A", 3)),
            (["an A or D or F in Math will be admitted"], ("D", 0), ("C", 0)),
        ],
    )
    def test_reads_the_published_sentences(
        self, sentences: list[str], admitted: tuple[str, int], rejected: tuple[str, int]
    ) -> None:
        rule = Rule(sentences, ["math", "num_publications"])
        names = ("math", "num_publications")
        assert rule(dict(zip(names, admitted, strict=True)))
        assert not rule(dict(zip(names, rejected, strict=True)))

    def test_a_sentence_without_a_rule_is_refused(self) -> None:
        with pytest.raises(ValueError, match="nothing is recognised"):
            Rule(["Students who smile"], ["math"])

    def test_the_majority_of_the_rows(self) -> None:
        students = [{"math": "A"}, {"math": "A"}, {"math": "A"}, {"math": "B"}]
        rule = by_majority(students, [True, True, False, False])
        assert [rule({"math": grade}) for grade in "ABC"] == [True, False, None]
        assert combinations([{"math": "A", "n": 1.0}, {"math": "B", "n": 2.0}]) == [
            {"math": a, "n": b} for a in "AB" for b in (1.0, 2.0)
        ]
