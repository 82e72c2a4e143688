"""Imported judgements as the `recorded` overseer, and the way there from the command line."""

from __future__ import annotations

import asyncio
import io
import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

from imitative import cli, showing
from imitative.config import load_problem
from imitative.errors import InputError
from imitative.exchange.lines import JSONL, read_recorded
from imitative.exchange.trips import FORMATS, export_run, import_file
from imitative.overseer_config import judged_by_record
from imitative.overseers.recorded import Recorded
from imitative.records import Answer, Judgement, Kind, Query
from imitative.running import run_problem
from imitative.settings import Settings
from imitative.store import Run

QUICK = Settings(rounds=2, steps=4)


def encode(words: Sequence[str]) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """Vectors without an encoder: the counts of letters, of length 1."""
    counts = np.array([[1 + text.count(letter) for letter in "abcdefgh"] for text in words], np.float32)
    vectors: np.ndarray[tuple[int, int], np.dtype[np.float32]] = counts.reshape(-1, 8)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


@pytest.fixture(scope="module")
def huskies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short run of huskies, judged by the simulated person."""
    folder = tmp_path_factory.mktemp("huskies") / "run"
    run_problem(load_problem("huskies"), folder, budget=60, settings=QUICK, encode=encode)
    return folder


def known(folder: Path) -> tuple[Judgement, ...]:
    with Run.load(folder) as run:
        return tuple(run.known().values())


@pytest.mark.parametrize("name", ["jsonl", "csv", "datasets"])
def test_a_run_exports_and_imports_whole(name: str, huskies: Path, tmp_path: Path) -> None:
    asked = len(known(huskies))
    assert export_run(huskies, name, tmp_path / "out").made == asked > 40
    trip = import_file(tmp_path / "out", name, tmp_path / "said")
    assert trip[:2] == (asked, tmp_path / "said")
    assert tuple(read_recorded([tmp_path / "said"])) == known(huskies)


def test_huskies_is_judged_again_by_what_was_imported(huskies: Path, tmp_path: Path) -> None:
    """What is learned is what would have been had nothing travelled; nobody is asked what the archive does not hold."""
    loaded = load_problem("huskies")
    stayed = replace(loaded, build_overseer=lambda seed: Recorded(loaded.problem.space, judgements=known(huskies)))
    export_run(huskies, "csv", tmp_path / "csv")
    import_file(tmp_path / "csv", "csv", tmp_path / "csv-said")
    again = judged_by_record(loaded, [tmp_path / "csv-said"])
    here, travelled = (
        run_problem(each, tmp_path / name, budget=60, settings=QUICK, encode=encode)
        for each, name in ((stayed, "stayed"), (again, "csv-run"))
    )
    assert [here["hypothesis"], here["log_prior"]] == [travelled["hypothesis"], travelled["log_prior"]]
    assert any("literal reading" in note for note in here["notes"])
    taught = [j for j in known(huskies) if j.query.kind is not Kind.ANSWER]
    assert {j.query.key for j in taught} <= {j.query.key for j in known(tmp_path / "csv-run")}
    first = {j.judge for j in known(huskies)}
    assert {j.judge for j in known(tmp_path / "csv-run")} <= first | {"literal reading", "recorded"}


def test_what_an_archive_held_is_no_part_of_the_budget(
    huskies: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is told apart wherever a person reads how many there were: on the way, at the end, in the report."""
    export_run(huskies, "jsonl", tmp_path / "out")
    import_file(tmp_path / "out", "jsonl", tmp_path / "said")
    again = judged_by_record(load_problem("huskies"), [tmp_path / "said"])
    log = io.StringIO()
    watcher = showing.Watcher(20, Console(file=log, width=60))
    result = run_problem(again, tmp_path / "run", budget=20, settings=QUICK, encode=encode, progress=watcher)
    judged = result["judgements"]
    held = judged["recorded"]
    assert held == len(again.build_overseer(0).queries)  # type: ignore[attr-defined]
    assert 0 <= sum(judged["asked"].values()) - held <= judged["budget"] == 20 < held
    for said in re.findall(r"([0-9]+) of 20 judgements, and ([0-9]+) recorded before", log.getvalue()):
        assert int(said[0]) <= 20
        assert int(said[1]) == held
    assert f"0 of 20 judgements, and {held} recorded before" in log.getvalue()
    showing.result(result)
    asked = sum(judged["asked"].values()) - held
    assert f"{asked} of 20 judgements, and {held} recorded before (" in capsys.readouterr().out
    page = (tmp_path / "run" / "report.html").read_text("utf-8")
    assert f"{asked} of 20, and {held} recorded before" in page
    assert f"of 20 allowed, and {held} recorded before" in page


def test_an_archive_gives_what_it_holds_turned_round_where_need_be() -> None:
    space = load_problem("huskies").problem.space
    z, other = (f"If the dog has {ears} ears, the dog is a husky (strong evidence)." for ears in ("pointed", "floppy"))
    texts_ = [space.show(space.read(f"{text}\nBy default, the dog is a husky (a hint).")) for text in (z, other)]
    x = {"ears": "pointed"}
    answers = Query(Kind.COMPARE_ANSWERS, (texts_[0],), x, ("husky", "other"), purpose="likelihood")
    compared = Query(Kind.COMPARE_HYPOTHESES, (texts_[0], texts_[1]))
    audit = replace(compared, purpose="audit")
    held = [
        Judgement(answers, Answer(grade=-2), "ann"),
        Judgement(compared, Answer(grade=1), "ann", 0.5),
        Judgement(compared, Answer(grade=2), "bob"),
        Judgement(audit, Answer(grade=-1), "ann"),
        Judgement(Query(Kind.COMPARE_HYPOTHESES, ("gibberish", texts_[0])), Answer(grade=1), "ann"),
        Judgement(replace(answers, answers=("husky", "cat")), Answer(grade=1), "ann"),
    ]
    archive = Recorded(space, judgements=held)
    assert Counter(query.purpose for query in archive.queries) == {"likelihood": 1, "prior": 2, "audit": 1}
    assert any("2 of 6 recorded judgements were left out" in note for note in archive.notes)
    said = asyncio.run(archive.judge([answers.swapped(), compared.swapped(), replace(compared, repeat=1), audit]))
    assert [(j.answer.grade, j.judge) for j in said] == [(2, "ann"), (-1, "ann"), (2, "bob"), (-1, "ann")]
    assert said[1].cost == 0.5


def test_a_problem_file_names_folders_of_judgements(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("ears,breed\npointed,h\nfloppy,o\n", "utf-8")
    text = "If the ears is pointed, it is a husky (strong evidence).\nBy default, it is another (a hint)."
    judged = Judgement(Query(Kind.BET, (text,), heads=2), Answer(less_likely=False), "ann")
    JSONL.write([judged], tmp_path / "judgements.jsonl")
    problem = """
[problem]
name = "dogs"
question = "Is it?"
[answers]
h = "it is a husky"
o = "it is another"
[labelled]
file = "rows.csv"
answer = "breed"
[unlabelled]
file = "rows.csv"
[overseer]
kind = "recorded"
judgements = %s
"""
    (tmp_path / "problem.toml").write_text(problem % '["."]', "utf-8")
    archive = load_problem(tmp_path / "problem.toml").build_overseer(0)
    assert isinstance(archive, Recorded)
    assert [query.kind for query in archive.queries] == [Kind.BET]
    for wrong, said in (('"nowhere"', "no such file"), ("[]", "neither judgements"), ("3", "judgements")):
        (tmp_path / "problem.toml").write_text(problem % wrong, "utf-8")
        with pytest.raises(InputError, match=said):
            load_problem(tmp_path / "problem.toml")


def test_the_command_line(huskies: Path, tmp_path: Path) -> None:
    runner = CliRunner()
    out, said = str(tmp_path / "out"), str(tmp_path / "said")
    exported = runner.invoke(cli.app, ["export", str(huskies), "--format", "trl", "--out", out])
    assert exported.exit_code == 0, exported.output
    assert "judgements exported" in exported.stdout
    assert "out.rest.jsonl" in exported.stderr
    imported = runner.invoke(cli.app, ["import", out, "--format", "trl", "--out", said])
    assert imported.exit_code == 0, imported.output
    assert "import it too" in imported.stderr
    (tmp_path / "others").mkdir()
    other = Judgement(Query(Kind.COMPARE_HYPOTHESES, ("blue.", "green.")), Answer(grade=1), "ann")
    JSONL.write([other], tmp_path / "others" / "judgements.jsonl")
    for arguments, told_ in (
        (["export", str(huskies), "--format", "xml", "--out", out], "one of 'jsonl'"),
        (["export", str(huskies), "--format", "csv", "--out", out], "something there already"),
        (["export", str(tmp_path / "no"), "--format", "csv", "--out", said + "2"], "imitative run"),
        (["import", str(tmp_path / "no"), "--format", "csv", "--out", said + "2"], "no such file"),
        (["run", "huskies", "--recorded", str(tmp_path / "no")], "no such file"),
        (["run", "huskies", "--recorded", str(tmp_path / "others")], "none of which says anything of its hypotheses"),
    ):
        found = runner.invoke(cli.app, arguments)
        assert found.exit_code == 2, found.output
        assert told_ in found.stderr
        assert len(found.stderr.strip().splitlines()) == 1
    for name in FORMATS:
        assert name in cli.FORMATS_HELP


@pytest.mark.slow
def test_huskies_end_to_end_from_the_command_line(tmp_path: Path) -> None:
    """The simulated person judges, the judgements travel as a CSV, and judge again: better than any fit to D alone."""

    def imitative(*arguments: str) -> str:
        command = [sys.executable, "-m", "imitative", *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=280).stdout

    imitative("run", "huskies", "--out", "first")
    assert "judgements exported" in imitative("export", "first", "--format", "csv", "--out", "all.csv")
    imitative("import", "all.csv", "--format", "csv", "--out", "said")
    imitative("run", "huskies", "--recorded", "said")
    again = json.loads(imitative("show", "runs/huskies-0-recorded", "--json"))
    direct = max(accuracy["unlabelled"] for accuracy in again["baselines"].values())
    assert again["accuracy"]["unlabelled"] > direct + 0.05
