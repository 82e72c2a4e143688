"""The command line and the run behind it: what is printed, what is written, what goes wrong, what goes on."""

from __future__ import annotations

import csv
import errno
import io
import json
import math
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from markdown_it import MarkdownIt
from rich.console import Console
from typer.testing import CliRunner

from bench.site import Site
from imitative import cli, fetch, running, showing
from imitative.beliefs import showing as belief_showing
from imitative.config import load_problem
from imitative.data import Feature, FeatureKind
from imitative.describing import describe, space_size
from imitative.display import percent
from imitative.errors import InputError
from imitative.exchange.spreadsheet import unescaped
from imitative.hypotheses.statements import Limits, StatementSpace, Strength
from imitative.induction import Progress
from imitative.labels import labels_csv
from imitative.loaded import LoadedProblem
from imitative.overseers.overseer import Overseer
from imitative.records import Answer, Judgement, Kind, Outcome, Query
from imitative.running import run_problem
from imitative.settings import Settings
from imitative.store import Run, runs

WORDS = [strength.value for strength in Strength]
EXPLAINED = {"log_prior": -1.0, "log_likelihood": 2.0, "applies_unlabelled": 3, "applies_labelled": 3, "examples": []}
ROOT = Path(__file__).resolve().parents[1]
QUICK = Settings(rounds=2, steps=4)
PROBLEM = """
[problem]
name = "berries"
question = "Is this berry [bold]sweet[/bold]?"
budget = 40
[answers]
yes = "the berry is sweet"
no = "the berry is sour"
[labelled]
file = "known.csv"
answer = "sweet"
[unlabelled]
file = "new.csv"
truth = "sweet"
[space]
statements = 3
conditions = 1
[overseer]
kind = "simulated"
believes = ["If the colour is red, the berry is sweet (strong evidence)."]
"""


def encode(texts: Sequence[str]) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """Vectors without an encoder: the counts of letters, of length 1."""
    counts = np.array([[1 + text.count(letter) for letter in "abcdefgh"] for text in texts], np.float32)
    vectors: np.ndarray[tuple[int, int], np.dtype[np.float32]] = counts.reshape(-1, 8)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def berries(folder: Path) -> Path:
    """A small problem: in D red berries grow low, in D′ anywhere."""
    rng = random.Random(0)
    folder.mkdir(parents=True, exist_ok=True)
    for name, count, grows in (("known", 40, {"red": "low"}), ("new", 30, {})):
        rows = ["colour,size,bush,sweet"]
        for _ in range(count):
            colour = rng.choice(["red", "green", "blue"])
            bush = grows.get(colour) or rng.choice(["low", "high"])
            rows.append(f"{colour},{rng.random():.2f},{bush},{'yes' if colour == 'red' else 'no'}")
        (folder / f"{name}.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    path = folder / "problem.toml"
    path.write_text(PROBLEM, encoding="utf-8")
    return path


class Counting:
    """Counts what an overseer is asked, independently of any ledger."""

    def __init__(self, overseer: Overseer) -> None:
        self.overseer, self.asked = overseer, list[str]()

    async def judge(self, queries: Sequence[Query]) -> list[Judgement]:
        self.asked += [query.key for query in queries]
        return await self.overseer.judge(queries)


def counted(path: Path) -> tuple[LoadedProblem, Counting]:
    """A problem whose overseer counts."""
    loaded = load_problem(path)
    overseer = Counting(loaded.build_overseer(0))
    object.__setattr__(loaded, "build_overseer", lambda _seed: overseer)
    return loaded, overseer


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A problem file, and the folder of a finished run of it."""
    folder = tmp_path_factory.mktemp("finished")
    path = berries(folder / "problem")
    run_problem(load_problem(path), folder / "run", settings=QUICK, encode=encode)
    return path, folder / "run"


def call(*words: str | Path) -> Any:
    """The command line, in this process."""
    return CliRunner().invoke(cli.app, [str(word) for word in words])


def fails(*words: str | Path, saying: str) -> None:
    """One line on stderr, exit code 2, no traceback, nothing on stdout."""
    ended = call(*words)
    assert ended.exit_code == cli.BAD_INPUT, ended.output
    assert re.search(saying, ended.stderr), ended.stderr
    assert ended.stderr.startswith("imitative: ")
    assert len(ended.stderr.splitlines()) == 1
    assert ended.stdout == ""


# -------------------------------------------------------------------------------------------------------------- a run


def test_another_person_s_judgements_are_not_taken_for_this_one_s(finished: tuple[Path, Path], tmp_path: Path) -> None:
    path, folder = finished
    shutil.copytree(folder, tmp_path / "run")
    text = path.read_text("utf-8")
    shutil.copytree(path.parent, tmp_path / "problem")
    changed = tmp_path / "problem" / "problem.toml"
    for before, after in (
        ('question = "', 'question = "Truly: '),
        ('kind = "simulated"', 'kind = "simulated"\nnoise = 0.9'),
    ):
        assert text.count(before) == 1
        changed.write_text(text.replace(before, after), "utf-8")
        fails(
            "run", changed, "--out", tmp_path / "run", saying="another overseer judged.*restore them, or name another"
        )
    changed.write_text(text.replace('kind = "simulated"', 'kind = "simulated"\ncost = 0.5'), "utf-8")
    assert load_problem(changed).judged == load_problem(path).judged  # what it costs makes it nobody else


def test_a_simulated_person_s_judgements_are_not_taken_for_people_s(tmp_path: Path) -> None:
    """A built-in problem says who judges it as a problem file does."""
    run_problem(load_problem("finite"), tmp_path)
    fails("run", "finite", "--people", "--out", tmp_path, saying="another overseer judged")


def test_people_are_asked_or_a_record_is_read(tmp_path: Path) -> None:
    said = tmp_path / "said.jsonl"
    fails("run", "finite", "--people", "--recorded", said, saying="--recorded: found both; expected one of the two")


def test_z_star_s_score_is_counted_as_its_rivals_are(finished: tuple[Path, Path]) -> None:
    result = json.loads((finished[1] / "result.json").read_text("utf-8"))
    scores = [result["score"], *(row["score"] for row in result["runners_up"])]
    chances = [result["probability"], *(row["probability"] for row in result["runners_up"])]
    assert scores == sorted(scores, reverse=True)
    for score, chance in zip(scores[1:], chances[1:], strict=True):
        assert scores[0] - score == pytest.approx(math.log(chances[0] / chance), abs=1e-6)


def test_a_run_writes_its_folder(finished: tuple[Path, Path]) -> None:
    _, folder = finished
    for name in (runs.DATABASE, runs.RESULT, runs.HYPOTHESIS, runs.LABELS, runs.REPORT, runs.MODEL):
        assert (folder / name).stat().st_size > 0
    found = json.loads((folder / runs.RESULT).read_text("utf-8"))
    keys = "problem seed hypothesis statements log_prior log_likelihood runners_up judgements audit accuracy baselines"
    assert {*keys.split(), "calibration", "seconds", "scale", "rounds", "notes"} <= set(found)
    assert len(found["runners_up"]) >= 5
    assert sum(found["judgements"]["asked"].values()) <= found["judgements"]["budget"] == 40
    assert sum(found["judgements"]["by_purpose"].values()) == sum(found["judgements"]["asked"].values())
    assert [s["text"] for s in found["statements"]] == found["hypothesis"].splitlines()[:-1]
    assert found["accuracy"]["unlabelled"] is not None
    assert all(0 <= value["unlabelled"] <= 1 for value in found["baselines"].values())
    assert "<html" in (folder / runs.REPORT).read_text("utf-8")


def test_who_reads_z_star_is_told_when_its_length_was_the_limit_s_choice(
    finished: tuple[Path, Path], tmp_path: Path
) -> None:
    _, folder = finished
    shorter = berries(tmp_path / "problem")
    shorter.write_text(PROBLEM.replace("statements = 3", "statements = 1"), "utf-8")
    run_problem(load_problem(shorter), tmp_path / "run", settings=QUICK, encode=encode)
    for of, most in ((folder, 3), (tmp_path / "run", 1)):
        found = json.loads((of / runs.RESULT).read_text("utf-8"))
        told = [note for note in found["notes"] if f"statements = {most}" in note]
        assert len(told) == (len(found["statements"]) == most)
    assert told, "one statement is all that was allowed, and the colour decides"


def test_the_lead_sees_which_clause_decides_which_answers(finished: tuple[Path, Path]) -> None:
    _, folder = finished
    found = json.loads((folder / runs.RESULT).read_text("utf-8"))
    assert found["statements"]
    for clause in found["statements"]:
        assert 0 <= clause["decides"] <= clause["applies_unlabelled"]  # what it does not speak of it cannot decide
    assert sum(clause["decides"] for clause in found["statements"]) > 0
    assert "What each clause decides" in call("show", folder).stdout
    run = Run.load(folder)
    page = Site(folder, run=run).entered("lea", "lead").get("/lead").text
    run.close()
    section = page.split('aria-label="What each clause decides"')[1].split("</section>")[0]
    assert section.count('<li>\n      <p class="sentence">') == len(found["statements"])
    for clause in found["statements"]:
        share = percent(clause["decides"] / found["rows"]["unlabelled"])
        assert f'{clause["decides"]:,} <span class="soft">({share})</span>' in section
        told = f"Without it, {clause['decides']:,} of them would be answered otherwise."
        assert told in section
        assert told in (folder / runs.REPORT).read_text("utf-8")


def test_what_the_ledger_says_is_what_the_overseer_was_asked(tmp_path: Path) -> None:
    loaded, overseer = counted(berries(tmp_path))
    result = run_problem(loaded, tmp_path / "run", settings=QUICK, encode=encode)
    with Run.load(tmp_path / "run") as run:
        assert len(overseer.asked) == len(run.known()) == sum(result["judgements"]["asked"].values())
        assert [event.body["round"] for event in run.events("round")] == list(range(1, 1 + len(result["rounds"])))
        assert len(run.events("finished")) == 1


def test_whoever_brings_an_overseer_of_their_own_keeps_the_run_in_a_folder(tmp_path: Path) -> None:
    """One that answers nothing but comparisons; what it skips is told, and that there is no audit."""
    loaded, asked = load_problem(berries(tmp_path)), list[str]()

    def brief(queries: Sequence[Query]) -> list[Judgement]:
        asked.extend(query.key for query in queries)
        return [
            Judgement(
                query, Answer(grade=1) if query.kind is Kind.COMPARE_HYPOTHESES else Answer(Outcome.SKIPPED), "brief"
            )
            for query in queries
        ]

    result = run_problem(loaded, tmp_path / "run", settings=QUICK, encode=encode, overseer=brief)
    told = result["judgements"]
    assert sum(told["asked"].values()) == len(asked)
    assert told["unanswered"] == len(asked) - told["asked"]["compare_hypotheses"] > 0
    assert any(note.startswith("no audit") for note in result["notes"])
    shown = call("show", tmp_path / "run").stdout
    assert f"{told['unanswered']} of them skipped or not to be read" in " ".join(shown.split())
    assert "skipped, or not to be read" in (tmp_path / "run" / runs.REPORT).read_text("utf-8")
    before = len(asked)
    run_problem(loaded, tmp_path / "run", settings=QUICK, encode=encode, overseer=brief)
    assert len(asked) == before
    with pytest.raises(InputError, match="another overseer judged"):
        run_problem(loaded, tmp_path / "run", settings=QUICK, encode=encode)


class Stop(BaseException):
    """Stands for a kill: nothing in the program catches it."""


def without_seconds(result: dict[str, Any]) -> dict[str, Any]:
    """What must not depend on the clock."""
    return {key: value for key, value in result.items() if key != "seconds"}


@pytest.mark.parametrize("kept", [0, 1, 17, -1])
def test_a_stopped_run_goes_on_asks_nothing_twice_and_ends_the_same(
    finished: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: int
) -> None:
    path, whole = finished
    record, recorded = Run.record, list[Judgement]()
    kept %= sum(runs.read_result(whole)["judgements"]["asked"].values())

    def stopping(run: Run, judgement: Judgement) -> None:
        if len(recorded) == kept:
            raise Stop
        record(run, judgement)
        recorded.append(judgement)

    with monkeypatch.context() as patched:
        patched.setattr(Run, "record", stopping)
        with pytest.raises(Stop):
            run_problem(load_problem(path), tmp_path / "run", settings=QUICK, encode=encode)
    loaded, overseer = counted(path)
    result = run_problem(loaded, tmp_path / "run", settings=QUICK, encode=encode)
    assert without_seconds(result) == without_seconds(runs.read_result(whole))
    assert not {judgement.query.key for judgement in recorded} & set(overseer.asked)
    assert len(recorded) + len(overseer.asked) == sum(result["judgements"]["asked"].values())
    assert (tmp_path / "run" / runs.LABELS).read_bytes() == (whole / runs.LABELS).read_bytes()


def test_a_finished_run_can_be_run_again_and_asks_nothing(finished: tuple[Path, Path]) -> None:
    path, folder = finished
    before = runs.read_result(folder)
    loaded, overseer = counted(path)
    assert without_seconds(run_problem(loaded, folder, settings=QUICK, encode=encode)) == without_seconds(before)
    assert overseer.asked == []


def test_without_truth_nothing_is_said_of_it(tmp_path: Path) -> None:
    path = berries(tmp_path)
    path.write_text(path.read_text("utf-8").replace('truth = "sweet"', ""), encoding="utf-8")
    result = run_problem(load_problem(path), tmp_path / "run", settings=QUICK, encode=encode)
    assert result["accuracy"]["unlabelled"] is None
    assert result["calibration"] is None
    ended = call("show", tmp_path / "run")
    assert ended.exit_code == 0, ended.output
    assert "–" in ended.stdout


@pytest.mark.parametrize("stopping", [signal.SIGINT, signal.SIGKILL])
def test_the_program_can_be_stopped_and_called_again(tmp_path: Path, stopping: signal.Signals) -> None:
    path, out = berries(tmp_path), tmp_path / "run"
    command = [sys.executable, "-m", "imitative", "run", str(path), "--out", str(out), "--budget", "30"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 60
        while judged(out) == 0 and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(stopping)
        _, error = process.communicate(timeout=60)
    if stopping is signal.SIGINT:
        assert process.returncode == cli.INTERRUPTED
        assert error.splitlines()[-1] == "imitative: stopped; the same command goes on from here"
        assert "Traceback" not in error
    before = judged(out)
    assert before > 0
    fails(
        "show",
        out,
        saying=f"unfinished run of berries with {before} judgement.*the `imitative run` that began it goes on",
    )
    loaded, overseer = counted(path)
    result = run_problem(loaded, out, budget=30, settings=QUICK, encode=encode)
    assert judged(out) == before + len(overseer.asked)  # rows of the longer run stay; none is asked again
    assert sum(result["judgements"]["asked"].values()) <= 30


def judged(folder: Path) -> int:
    """How many judgements a run has recorded, read as another program would."""
    try:
        connection = sqlite3.connect(f"file:{folder / runs.DATABASE}?mode=ro", uri=True)
    except sqlite3.Error:
        return 0
    try:
        return int(connection.execute("SELECT count(*) FROM judgement").fetchone()[0])
    except sqlite3.Error:
        return 0
    finally:
        connection.close()


# ------------------------------------------------------------------------------------------------------------ commands


def test_run_prints_z_the_figures_and_where_the_report_is(
    finished: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, folder = finished[0], tmp_path / "run"  # in a folder of its own: other tests compare with the finished one
    shutil.copytree(finished[1], folder)
    monkeypatch.setattr(running, "_encoder", lambda _folder: (encode, "letters"))
    monkeypatch.setattr(running, "Settings", lambda: QUICK)
    ended = call("run", path, "--out", folder)
    assert ended.exit_code == 0, ended.output
    for line in runs.read_result(folder)["hypothesis"].splitlines():
        assert line in ended.stdout
    assert "logistic regression" in ended.stdout
    assert f"The report is {folder / 'report.html'}" in ended.stdout
    assert "Is this berry [bold]sweet[/bold]?" in ended.stdout  # words from data are never markup
    assert "judgements" in ended.stderr


def test_show_prints_and_prints_json(finished: tuple[Path, Path]) -> None:
    _, folder = finished
    shown = call("show", folder)
    assert shown.exit_code == 0, shown.output
    assert "Runners-up" in shown.stdout
    as_json = call("show", folder, "--json")
    assert json.loads(as_json.stdout) == runs.read_result(folder)


def test_a_long_hypothesis_is_shown_by_its_strongest_statements(finished: tuple[Path, Path], tmp_path: Path) -> None:
    """And whole to whoever asks for it; a wall of statements would leave nothing else on the screen."""
    _, folder = finished
    statements = [f"If the size is {i}, the berry is sweet ({s})." for s in WORDS for i in range(60)]
    z = "\n".join([*statements, "By default, the berry is sour (a hint)."])
    rows = [{**EXPLAINED, "text": text, "decides": i} for i, text in enumerate(statements)]
    found = runs.read_result(folder)
    rival = found["runners_up"][0] | {"hypothesis": z}
    long = found | {"hypothesis": z, "statements": rows, "runners_up": [rival, rival]}
    (tmp_path / runs.RESULT).write_text(json.dumps(long), "utf-8")
    shown, whole = call("show", tmp_path), call("show", tmp_path, "--whole")
    assert shown.exit_code == whole.exit_code == 0, shown.output
    assert len(shown.stdout.splitlines()) < 200
    assert shown.stdout.count("… and 281 more: ") == 3
    assert "hypothesis.md" in shown.stdout
    first = shown.stdout[: shown.stdout.index("Accuracy")]
    assert first.count("overwhelming evidence") == showing.MOST_LINES - 1
    assert "By default, the berry is sour (a hint)." in first
    assert "280 more, which decide no more" in shown.stdout
    assert " 299 " in shown.stdout
    said = [line.strip() for line in whole.stdout[: whole.stdout.index("Accuracy")].splitlines()[1:]]
    assert said == z.splitlines()
    assert "more" not in whole.stdout.split("What each clause decides")[1]


def test_label_labels_new_questions_as_the_run_would(finished: tuple[Path, Path], tmp_path: Path) -> None:
    path, folder = finished
    ended = call("label", folder, path.parent / "new.csv", "--out", tmp_path / "labels.csv")
    assert ended.exit_code == 0, ended.output
    assert "30 questions labelled" in ended.stdout
    assert "'sweet'" in ended.stderr  # a column that no feature uses is remarked on
    # The same questions, in the same order, get the same labels as the run gave them.
    assert (tmp_path / "labels.csv").read_bytes() == (folder / runs.LABELS).read_bytes()
    with (folder / runs.LABELS).open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 30
    for row in rows:
        given = {name: float(row[f"probability of {name}"]) for name in ("yes", "no")}
        assert sum(given.values()) == pytest.approx(1.0, abs=2e-6)
        assert row["answer"] == max(given, key=given.__getitem__)


def test_label_says_what_is_wrong(finished: tuple[Path, Path], tmp_path: Path) -> None:
    path, folder = finished
    new, out = path.parent / "new.csv", tmp_path / "out.csv"
    fails("label", folder, tmp_path / "none.csv", "--out", out, saying="none.csv")
    fails("label", tmp_path / "none", new, "--out", out, saying="none.*imitative run")
    fails("label", folder, new, "--out", new, saying="another")
    (tmp_path / "short.csv").write_text("colour,size\nred,1\n")
    fails("label", folder, tmp_path / "short.csv", "--out", out, saying="short.csv.*'bush'")
    fails("label", folder, new, "--out", tmp_path / "short.csv" / "x.csv", saying="short.csv.*no such folder")
    fails("label", folder, new, "--out", tmp_path / "deep" / "x.csv", saying="deep: found no such folder; .*make it")
    assert not (tmp_path / "deep").exists()
    (tmp_path / "texts").mkdir()
    inside = tmp_path / "texts" / "x.csv"
    fails("label", folder, tmp_path / "texts", "--out", inside, saying="x.csv.*the folder to be labelled")
    os.mkfifo(tmp_path / "fifo")
    fails("label", folder, tmp_path / "fifo", "--out", out, saying="fifo.*a pipe")
    assert not out.exists()


def rows_of(path: Path) -> dict[str, dict[str, str]]:
    """Row of the file → what `labels.csv` says of it."""
    with path.open(newline="", encoding="utf-8") as file:
        return {row["row"]: row for row in csv.DictReader(file)}


def test_label_reads_a_file_as_d2_was_read(tmp_path: Path) -> None:
    """D′ in another writing than D, and only some of its rows: these get the same labels again, by their rows."""
    path = berries(tmp_path / "problem")
    known, new = path.with_name("known.csv"), path.with_name("new.csv")
    known.write_text(known.read_text("utf-8").replace("green", "grün"), "utf-8")
    lines = [line.split(",") for line in new.read_text("utf-8").replace("green", "grün").splitlines()[1:]]
    lines[3][2] = lines[7][0] = "?"
    text = "\n".join("|".join(cell.replace(".", ",") for cell in line) for line in lines)
    new.write_text(text + "\n", "latin-1")
    said = 'columns = ["colour", "size", "bush", "sweet"]\nencoding = "latin-1"\nseparator = "|"\ndecimal = ","'
    where = 'missing = ["?"]\nwhere = { bush = "low" }'
    toml = path.read_text("utf-8").replace('file = "new.csv"', f'file = "new.csv"\n{said}\n{where}')
    path.write_text(toml, "utf-8")
    run_problem(load_problem(path), tmp_path / "run", settings=QUICK, encode=encode)
    ended = call("label", tmp_path / "run", new, "--out", tmp_path / "all.csv")
    assert ended.exit_code == 0, ended.output
    assert "never seen" not in ended.stderr
    every, chosen = rows_of(tmp_path / "all.csv"), rows_of(tmp_path / "run" / runs.LABELS)
    assert list(chosen) == [str(i) for i, line in enumerate(lines, 1) if line[2] == "low"]
    assert len(every) == len(lines)
    assert chosen.items() <= every.items()


def test_a_run_from_before_labels_as_it_did(finished: tuple[Path, Path], tmp_path: Path) -> None:
    path, folder = finished
    shutil.copytree(folder, tmp_path / "old")
    model = json.loads((folder / runs.MODEL).read_text("utf-8"))
    for body, ends in (({k: v for k, v in model.items() if k != "file"}, 0), (model | {"file": {}}, cli.BAD_INPUT)):
        (tmp_path / "old" / runs.MODEL).write_text(json.dumps(body), "utf-8")
        ended = call("label", tmp_path / "old", path.parent / "new.csv", "--out", tmp_path / "out.csv")
        assert ended.exit_code == ends, ended.output
    assert (tmp_path / "out.csv").read_bytes() == (folder / runs.LABELS).read_bytes()


def test_labels_of_a_folder_of_texts_name_the_files(tmp_path: Path) -> None:
    """The same names whether the run labelled them or `label` does."""
    for name, mood in {"d/yes": "good", "d/no": "bad", "new/a": "good", "new/b": "bad"}.items():
        (tmp_path / name).mkdir(parents=True)
        for i in range(6):
            (tmp_path / name / f"{i}.txt").write_text(f"A {mood} film, and a long evening with many words in it. {i}")
    problem = PROBLEM.replace('"known.csv"', '"d"').replace('"sweet"', '"folder"').replace('"new.csv"', '"new"')
    problem = problem.replace('truth = "folder"\n', "").replace("If the colour is red", "If the text mentions “good”")
    (tmp_path / "problem.toml").write_text(problem, "utf-8")
    run_problem(load_problem(tmp_path / "problem.toml"), tmp_path / "run", settings=QUICK, encode=encode)
    ended = call("label", tmp_path / "run", tmp_path / "new", "--out", tmp_path / "labels.csv")
    assert ended.exit_code == 0, ended.output
    assert (tmp_path / "labels.csv").read_bytes() == (tmp_path / "run" / runs.LABELS).read_bytes()
    files = [row["file"] for row in rows_of(tmp_path / "labels.csv").values()]
    assert files == [f"{name}/{i}.txt" for name in "ab" for i in range(6)]


def test_labels_hold_no_formula(tmp_path: Path) -> None:
    """Not in an answer and not in a path; numbers and signs are the answers they were."""
    answers, paths = ("=1+1", "-1", "+", "@SUM(A1)", "yes"), ["=a.txt", "-b/c.txt", "+1", "d.txt", "'e.txt"]
    (tmp_path / "labels.csv").write_text(labels_csv(answers, np.eye(5), paths=paths), "utf-8")
    rows = list(rows_of(tmp_path / "labels.csv").values())
    assert [row["answer"] for row in rows] == ["'=1+1", "-1", "+", "'@SUM(A1)", "yes"]
    assert [row["file"] for row in rows] == ["'=a.txt", "'-b/c.txt", "+1", "d.txt", "''e.txt"]
    assert [unescaped(row["answer"]) for row in rows] == list(answers)
    assert [unescaped(row["file"]) for row in rows] == paths


def test_a_damaged_model_is_named(finished: tuple[Path, Path], tmp_path: Path) -> None:
    path, folder = finished
    (tmp_path / runs.RESULT).write_text("{}")
    for damage in ("{", "{}", json.dumps(runs.read_model(folder) | {"weights": "x"})):
        (tmp_path / runs.MODEL).write_text(damage)
        fails("label", tmp_path, path.parent / "new.csv", "--out", tmp_path / "o.csv", saying="run the problem again")


def test_a_result_that_says_nothing_is_named(finished: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / runs.RESULT).write_text("{}")
    fails("report", tmp_path, saying="result.json: found nothing that says what z")
    fails("show", tmp_path, saying="result.json: found something damaged .KeyError: .*question")
    whole = runs.read_result(finished[1])
    (tmp_path / runs.RESULT).write_text(json.dumps({key: whole[key] for key in whole if key != "accuracy"}))
    ended = call("show", tmp_path)
    assert (ended.exit_code, ended.stderr.count("\n")) == (cli.BAD_INPUT, 1)


DEEP = "[" * 100_000 + "]" * 100_000


@pytest.mark.parametrize(
    "damage",
    [
        {"statements": 3},
        {"statements": [7]},
        {"accuracy": []},
        {"judgements": "x"},
        {"hypothesis": 3},
        {"question": []},
    ],
)
def test_a_result_of_wrong_kinds_is_shown_or_named(
    finished: tuple[Path, Path], tmp_path: Path, damage: dict[str, Any]
) -> None:
    (tmp_path / runs.RESULT).write_text(json.dumps(runs.read_result(finished[1]) | damage))
    words: list[list[str | Path]] = [["show"], ["report"], ["prompt", "--out", tmp_path / "p.txt"]]
    for command, *others in words:
        ended = call(command, tmp_path, *others)
        assert ended.exit_code == 0 or (ended.exit_code, ended.stderr.count("\n")) == (cli.BAD_INPUT, 1), ended.output


def test_files_of_a_run_that_somebody_else_wrote_are_named(finished: tuple[Path, Path], tmp_path: Path) -> None:
    path, folder = finished
    model = runs.read_model(folder)
    new, out = path.parent / "new.csv", tmp_path / "o.csv"
    (tmp_path / runs.RESULT).write_text("{}")
    for damage in (DEEP, json.dumps(model | {"weights": [float("nan")] * len(model["weights"])})):
        (tmp_path / runs.MODEL).write_text(damage)
        fails("label", tmp_path, new, "--out", out, saying="run the problem again")
        assert not out.exists()
    for result in (DEEP, '{"kind": "belief"}'):
        (tmp_path / runs.RESULT).write_text(result)
        fails("show", tmp_path, saying=r"result\.json: found")


def test_a_prompt_holds_no_escapes(finished: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / runs.RESULT).write_text(json.dumps(runs.read_result(finished[1]) | {"question": "Is\x1b[2J it?"}))
    assert call("prompt", tmp_path, "--out", tmp_path / "p.txt").exit_code == 0
    assert "\x1b" not in (tmp_path / "p.txt").read_text("utf-8")


def test_results_are_written_over_nobody_s_files(tmp_path: Path) -> None:
    """Not even over what the problem reads: D may be called labels.csv, and lie where --out points to."""
    for name in (runs.LABELS, runs.REPORT, runs.RESULT):
        folder = tmp_path / name
        folder.mkdir()
        (folder / name).write_text("mine")
        fails("run", "finite", "--out", folder, saying=f"found '{name}' of no run")
        assert (folder / name).read_text() == "mine"
        assert list(folder.iterdir()) == [folder / name]


def test_labels_are_written_over_no_file_of_the_run(finished: tuple[Path, Path]) -> None:
    path, folder = finished
    for name in (runs.DATABASE, runs.LABELS, runs.MODEL):
        before = (folder / name).read_bytes()
        fails("label", folder, path.parent / "new.csv", "--out", folder / name, saying="a file of the run itself")
        assert (folder / name).read_bytes() == before


def test_labels_go_where_a_link_leads_and_into_a_pipe(finished: tuple[Path, Path], tmp_path: Path) -> None:
    path, folder = finished
    new, target, link, pipe = path.parent / "new.csv", tmp_path / "target.csv", tmp_path / "link.csv", tmp_path / "pipe"
    target.write_text("before")
    link.symlink_to(target)
    assert call("label", folder, new, "--out", link).exit_code == 0
    assert link.is_symlink()
    os.mkfifo(pipe)
    read = list[str]()
    reader = threading.Thread(target=lambda: read.append(pipe.read_text("utf-8")), daemon=True)
    reader.start()
    assert call("label", folder, new, "--out", pipe).exit_code == 0
    reader.join(10)
    assert read == [target.read_text("utf-8")]
    assert pipe.is_fifo()


def test_what_was_paid_for_under_another_budget_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    first = run_problem(load_problem("huskies"), folder, budget=24, settings=QUICK, encode=encode)
    assert not any("another budget" in note for note in first["notes"])
    second = run_problem(load_problem("huskies"), folder, budget=30, settings=QUICK, encode=encode)
    [told] = [note for note in second["notes"] if "another budget" in note]
    with Run.load(folder) as run:
        more = len(run.known()) - sum(second["judgements"]["asked"].values())
    assert told.startswith(f"the folder holds {more}")


def test_a_page_of_z_star_holds_no_marks_but_its_own() -> None:
    result = {
        "question": "Is <b>x</b> *it*?",
        "hypothesis": "If c is `<i>`, y.\nBy default, [z](u).",
        "problem": "p",
        "seed": 1,
    }
    page = running.hypothesis_page(result)
    html = MarkdownIt().render(page)
    assert "<h1>Is &lt;b&gt;x&lt;/b&gt; *it*?</h1>" in html
    assert "<li>If c is `&lt;i&gt;`, y.</li>" in html
    assert "<li>By default, [z](u).</li>" in html


def test_report_is_written_again(finished: tuple[Path, Path]) -> None:
    _, folder = finished
    before = (folder / runs.REPORT).read_text("utf-8")
    (folder / runs.REPORT).unlink()
    ended = call("report", folder)
    assert ended.stdout.strip() == str(folder / runs.REPORT)
    assert (folder / runs.REPORT).read_text("utf-8") == before


def test_nothing_that_is_shown_moves_the_cursor(tmp_path: Path) -> None:
    header = "col\x1b[31mour"
    (tmp_path / "rows.csv").write_text(f"{header},class\nre\x1b]0;x\x07d,e\nblue,p\nblue,e\n", encoding="utf-8")
    (tmp_path / "problem.toml").write_text(
        """[problem]
name = "hostile"
question = "Is it edible?"
budget = 6
[answers]
e = "it is edible"
p = "it is not"
[labelled]
file = "rows.csv"
answer = "class"
[overseer]
kind = "simulated"
""",
        encoding="utf-8",
    )
    out = tmp_path / "run"
    for command in (("check", tmp_path), ("run", tmp_path, "--out", out), ("show", out), ("show", out, "--whole")):
        done = call(*command)
        assert done.exit_code == 0, done.output
        assert not {"\x1b", "\x07", "\x9b"} & {*done.stdout, *done.stderr}


def test_check_describes_and_writes_nothing(tmp_path: Path) -> None:
    path = berries(tmp_path)
    before = sorted(tmp_path.iterdir())
    ended = call("check", path)
    assert ended.exit_code == 0, ended.output
    for told in ("D has 40 rows, D′ 30", "categorical", "numeric", "If the colour is", "simulated", "40 judgements"):
        assert told in ended.stdout
    assert sorted(tmp_path.iterdir()) == before


def test_a_description_counts(tmp_path: Path) -> None:
    found = describe(load_problem(berries(tmp_path)))
    assert sum(answer["labelled"] for answer in found["answers"].values()) == found["labelled"] == 40
    assert [feature["name"] for feature in found["features"]] == ["colour", "size", "bush"]
    assert found["space"]["statements"] == found["space"]["conditions"] * 2 * 5


@pytest.mark.parametrize(("statements", "conditions"), [(1, 1), (4, 2), (60, 1), (500, 2), (20_000, 10)])
def test_the_size_of_z_is_the_sum_of_its_subsets(statements: int, conditions: int) -> None:
    colour = Feature("colour", FeatureKind.CATEGORICAL, "the colour", values=("red", "blue", "green"))
    spoken = {"p": "it is poisonous", "e": "it is edible"}
    found = space_size(StatementSpace([colour], ("p", "e"), spoken, Limits(statements, conditions)))
    every = sum(math.comb(int(found["statements"]), k) for k in range(min(statements, int(found["statements"])) + 1))
    assert found["log10_hypotheses"] == pytest.approx(math.log10(2 * len(Strength) * every), rel=1e-12)


def test_problems_lists_every_built_in_problem() -> None:
    from imitative.problems import BUILTIN

    ended = call("problems")
    assert ended.exit_code == 0, ended.output
    assert [line.split()[0] for line in ended.stdout.splitlines()] == list(BUILTIN)
    assert "huskies" in BUILTIN


# ------------------------------------------------------------------------------------------------------ what goes wrong


def test_bad_input_is_one_line(finished: tuple[Path, Path], tmp_path: Path) -> None:
    path, folder = finished
    (tmp_path / "file").write_text("x")
    fails("run", path, "--budget", "0", saying="--budget: found 0; expected 1 to 1,000,000,000")
    for option in ("--budget", "--seed"):
        fails("run", path, option, str(2**63), saying=f"{option}: found {2**63}; expected . to ")
    fails("run", path, "--budget", "-5", saying="--budget")
    fails("run", path, "--seed", "-1", saying="--seed")
    fails("run", "nothing", saying="nothing.*huskies")
    fails("check", tmp_path / "none.toml", saying="none.toml")
    fails("run", path, "--out", tmp_path / "file", saying="file.*name another folder")
    fails("run", path, "--out", tmp_path / "file" / "run", saying="file.*name another folder")
    fails("run", path, "--out", folder, "--seed", "7", saying="seed 0.*expected seed 7")
    fails("show", tmp_path, saying="imitative run PROBLEM")
    fails("show", tmp_path / "none", saying="no such folder")
    fails("report", tmp_path / "file", saying="no such folder")


def test_a_damaged_database_is_one_line(tmp_path: Path) -> None:
    path = berries(tmp_path)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / runs.DATABASE).write_bytes(b"not a database at all" * 99)
    fails("run", path, "--out", tmp_path / "run", saying=r"run\.sqlite.*restore a copy")


@pytest.mark.parametrize("failure", [OSError(errno.ENOSPC, "No space left on device", "x.csv"), MemoryError()])
def test_what_the_machine_refuses_is_one_line(monkeypatch: pytest.MonkeyPatch, failure: BaseException) -> None:
    def refuse(*_: object) -> None:
        raise failure

    monkeypatch.setattr(cli, "_load", refuse)
    fails("check", "huskies", saying="No space left|too little memory")


def test_a_mistake_of_ours_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "_load", lambda *_: 1 / 0)
    assert isinstance(call("check", "huskies").exception, ZeroDivisionError)


@pytest.mark.parametrize("words", [["run"], ["run", "huskies", "--budget", "many"], ["label", "x"], ["nonsense"]])
def test_a_wrong_call_is_told_how(words: list[str]) -> None:
    ended = call(*words)
    assert ended.exit_code == cli.BAD_INPUT
    assert "Traceback" not in ended.output


def test_a_name_that_is_no_folder_is_made_one(tmp_path: Path) -> None:
    loaded = load_problem(berries(tmp_path))
    assert running.default_folder(loaded, None) == Path("runs/berries-0")
    assert running.default_folder(loaded, 3) == Path("runs/berries-3")


# ------------------------------------------------------------------------------------------------------------ progress


def told(stage: str, asked: int, best: str = "If [red]x[/red], y.\nBy default, z.", recorded: int = 0) -> Progress:
    """Some progress."""
    return Progress(stage, 2, 5, asked, 40, 1.5, best, recorded=recorded)


def test_progress_is_live_on_a_terminal_and_a_few_lines_elsewhere() -> None:
    screen, log = io.StringIO(), io.StringIO()
    with showing.Watcher(40, Console(file=screen, force_terminal=True, width=100)) as watcher:
        watcher(told("asking", 12))
        watcher._shown.refresh()
    assert "12/40" in screen.getvalue()
    assert "If [red]x[/red], y." in screen.getvalue()
    with showing.Watcher(40, Console(file=log, width=60)) as watcher:
        for asked in range(30):
            watcher(told("asking", asked))
    assert log.getvalue().splitlines() == [
        "round 2 of 5 · asking, fitting, searching: 0 of 40 judgements, cost 1.5; "
        "best so far: If [red]x[/red], y. By default, z."
    ]


def test_what_takes_long_is_told_when_it_begins_and_without_rounds_where_there_are_none() -> None:
    log = io.StringIO()
    with showing.Watcher(40, Console(file=log, width=60)) as watcher:
        watcher(told("asking", 12))
        watcher(told("answering", 13)._replace(round=0, rounds=0))
        watcher(told("measuring on D held out, part 1 of 5", 14))
    lines = log.getvalue().splitlines()
    assert [line.partition(":")[0] for line in lines] == [
        "round 2 of 5 · asking, fitting, searching",
        "answers on D′",
        "round 2 of 5 · measuring on D held out, part 1 of 5",
    ]


def test_the_lines_of_a_log_say_what_is_best_where_it_has_changed() -> None:
    log = io.StringIO()
    with showing.Watcher(40, Console(file=log, width=60)) as watcher:
        for stage, best in (("measuring", "A."), ("measuring", "A."), ("measuring", ""), ("measuring", "B.")):
            watcher(told(stage, 12, best))
    assert [line.partition("; ")[2] for line in log.getvalue().splitlines()] == [
        "best so far: A.",
        "",
        "",
        "best so far: B.",
    ]


def test_whoever_waits_for_people_is_told_once_how_they_come() -> None:
    hint = showing.how_to_judge(Path("my runs"))
    assert "`imitative serve 'my runs'`" in hint
    cases: list[tuple[Any, Any]] = [
        (lambda log: showing.Watcher(40, Console(file=log, width=60), hint), lambda stage: told(stage, 1)),
        (lambda log: belief_showing.Watcher(Console(file=log, width=60), hint), str),
    ]
    for watcher, says in cases:
        log = io.StringIO()
        with watcher(log) as watching:
            watching(says("asking"))
            assert hint not in log.getvalue()
            for judged in range(3):
                watching(says(f"waiting for people: {judged} of 3 judged"))
                watching(says(f"what is believed (waiting for people, {judged} of 3 judged)"))  # as of beliefs
        assert log.getvalue().count(hint) == 1
        log = io.StringIO()
        with watcher(log) as watching:
            watching(says("what is believed (waiting for people, 0 of 3 judged)"))
        assert log.getvalue().count(hint) == 1


def test_progress_shows_of_a_long_hypothesis_what_fits() -> None:
    best = "\n".join(
        [*(f"If x is {i}, y (a hint)." for i in range(3000)), "If q, y (strong evidence).", "By default, z."]
    )
    screen, log = io.StringIO(), io.StringIO()
    with showing.Watcher(40, Console(file=screen, force_terminal=True, width=100, height=40)) as watcher:
        watcher(told("asking", 62, best, recorded=50))
        watcher._shown.refresh()
    assert "12/40" in screen.getvalue()
    assert "and 50 recorded before" in screen.getvalue()
    assert screen.getvalue().index("If q, y") < screen.getvalue().index("If x is 0, y")
    with showing.Watcher(40, Console(file=log, width=60)) as watcher:
        watcher(told("asking", 62, best, recorded=50))
    (line,) = log.getvalue().splitlines()
    assert line.startswith(
        "round 2 of 5 · asking, fitting, searching: 12 of 40 judgements, and 50 recorded before, cost"
    )
    assert line.endswith("If x is 5, y (a hint). … and 2,994 more. By default, z.")


# --------------------------------------------------------------------------------------------------------------- fetch


class Bunch:
    """What scikit-learn gives: words as indices into categories, and names as the file escapes them."""

    def __init__(self) -> None:
        self.feature_names = [name.replace("?", "%3F") for name in fetch.MUSHROOM_WORDS]
        words = {name: [w.split()[0] for w in said.split(", ")] for name, said in fetch.MUSHROOM_WORDS.items()}
        self.categories = {name.replace("?", "%3F"): list(said) for name, said in words.items()}
        self.data = np.zeros((2, len(words)))
        self.data[1, self.feature_names.index("stalk-root")] = np.nan
        self.target = np.array(["e", "p"])


def test_fetched_mushrooms_have_the_form_that_the_example_reads(tmp_path: Path) -> None:
    path = fetch.fetch_mushrooms(tmp_path, lambda _name, _version: Bunch())
    with path.open(newline="") as file:
        first, second = csv.DictReader(file, delimiter=";")
    assert list(first) == [*fetch.MUSHROOM_WORDS, "class"]
    assert (first["odor"], first["bruises?"], first["class"]) == ("a", "t", "e")
    assert (second["stalk-root"], second["class"]) == ("?", "p")
    with (path.parent / "mushroom.name.map").open(newline="") as file:
        clauses = dict(csv.reader(file))
    assert clauses["odor=f"] == "odour is <i>foul</i>"


def test_fetching_without_a_network_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sklearn.datasets

    def offline(*_: object, **__: object) -> None:
        raise OSError("<urlopen error [Errno -3] Temporary failure in name resolution>\nand more")

    monkeypatch.setattr(sklearn.datasets, "fetch_openml", offline)
    fails("fetch", "mushrooms", "--out", tmp_path, saying="OpenML's mushroom.*name resolution.*check the network")


def test_something_else_than_mushrooms_is_refused(tmp_path: Path) -> None:
    other = Bunch()
    other.target = np.array(["1", "2"])
    with pytest.raises(InputError, match="other answers"):
        fetch.fetch_mushrooms(tmp_path, lambda _name, _version: other)
    assert not (tmp_path / "mushrooms" / "mushroom.csv").exists()


# ---------------------------------------------------------------------------------------------------- help and imports


def test_the_documentation_is_the_programs_own_help(tmp_path: Path) -> None:
    """Written by `make doc`."""
    words = [
        "utils",
        "docs",
        "--name",
        "imitative",
        "--title",
        "The command line",
        "--output",
        str(tmp_path / "cli.md"),
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    subprocess.run(
        [sys.executable, "-m", "typer", "imitative.cli", *words], env=environment, check=True, capture_output=True
    )
    assert (tmp_path / "cli.md").read_text("utf-8") == (ROOT / "docs" / "cli.md").read_text("utf-8")


def test_help_imports_nothing_heavy() -> None:
    script = "import sys; from imitative import cli\ntry: cli.app(['--help'])\nexcept SystemExit: print(*sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    began = time.perf_counter()
    ended = subprocess.run([sys.executable, "-c", script], env=environment, check=True, capture_output=True, text=True)
    assert time.perf_counter() - began < 2.0  # 0.2 s on an idle machine, where the target is 0.4 s
    loaded = {name.split(".")[0] for name in ended.stdout.splitlines()[-1].split()}
    heavy = {
        "numpy",
        "scipy",
        "sklearn",
        "polars",
        "pandas",
        "sqlalchemy",
        "alembic",
        "pydantic",
        "torch",
        "tokenizers",
    }
    assert not loaded & heavy
