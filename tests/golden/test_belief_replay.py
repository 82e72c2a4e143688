"""A belief from long ago, found again: the same data give the same words, evidence and forecast.

`belief.json` holds the problem's file, its data and what came of it. Where a change of the method is meant to change
what comes of it, write it again: `python tests/golden/test_belief_replay.py`.
"""

from __future__ import annotations

import json
import math
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from imitative.beliefs.config import load_belief
from imitative.beliefs.forecasting import forecast
from imitative.beliefs.induction import believe

GOLDEN = Path(__file__).with_name("belief.json")
LEVELS = [0.05, 0.5, 0.95]


def found(golden: dict[str, Any], folder: Path) -> dict[str, Any]:
    for name, text in golden["files"].items():
        (folder / name).write_text(text, "utf-8")
    problem = load_belief(folder / "problem.toml")
    believed = believe(problem)
    ahead = forecast(believed.prior, believed.posterior, len(problem.ahead))
    return {
        "words": believed.space.show(believed.readable.belief).splitlines(),
        "log evidence": believed.posterior.log_evidence,
        "words lose": believed.readable.loss,
        "means": believed.posterior.means.tolist(),
        "sds": believed.posterior.sds.tolist(),
        "forecast": ahead.quantiles(LEVELS).tolist(),
    }


def test_the_same_data_give_the_same_belief(tmp_path: Path) -> None:
    pytest.importorskip("numpyro")
    golden = json.loads(GOLDEN.read_text("utf-8"))
    now, then = found(golden, tmp_path), golden["found"]
    sds = np.array(then["sds"])
    assert now["log evidence"] == pytest.approx(then["log evidence"], abs=0.01)
    assert now["words lose"] == pytest.approx(then["words lose"], abs=0.05)
    assert np.abs(np.array(now["means"]) - then["means"]).max() < 0.03 * sds.max()
    assert now["sds"] == pytest.approx(then["sds"], rel=0.03)
    assert np.abs(np.array(now["forecast"]) - then["forecast"]).max() < 0.1 * math.sqrt(np.ptp(then["forecast"]))
    problem = load_belief(tmp_path / "problem.toml")
    space = believed_space(problem)
    before, after = (np.array(space.summary(space.read("\n".join(each["words"])))) for each in (then, now))
    assert np.abs(before[:, 0] - after[:, 0]).max() < 0.1 * before[:, 1].max()
    assert after[:, 1] == pytest.approx(before[:, 1], rel=0.1)


def believed_space(problem: Any) -> Any:
    from imitative.hypotheses.belief import BeliefSpace

    return BeliefSpace(tuple(each.parameter for each in problem.built.parameters))


if __name__ == "__main__":
    kept = json.loads(GOLDEN.read_text("utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        kept["found"] = found(kept, Path(folder))
    GOLDEN.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", "utf-8")
