"""A line through thirty points, as a problem of beliefs that several tests run."""

from __future__ import annotations

from pathlib import Path

import numpy as np

RNG = np.random.default_rng(0)
X = RNG.standard_normal(30)
Y = 1.0 + 2.0 * X + 0.5 * RNG.standard_normal(30)

PROBLEM = """
[problem]
name = "line"
question = "How does y follow x?"
budget = 24
[space]
kind = "belief"
[model]
family = "linear"
unit = "m"
[labelled]
file = "y.csv"
value = "y"
explained_by = ["x"]
[unlabelled]
file = "new.csv"
"""


def write(folder: Path, problem: str = PROBLEM) -> Path:
    """The problem's three files, in a folder made if need be; gives the path of its ``problem.toml``."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = ["x,y", *(f"{x:.6f},{y:.6f}" for x, y in zip(X, Y, strict=True))]
    (folder / "y.csv").write_text("\n".join(rows) + "\n", "utf-8")
    (folder / "new.csv").write_text("x,y\n0.0,1.1\n1.0,2.9\n-1.0,-1.2\n", "utf-8")
    (folder / "problem.toml").write_text(problem, "utf-8")
    return folder / "problem.toml"
