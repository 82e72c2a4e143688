"""How long a user waits, measured from outside in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from bench.figure import Bench, Row
from bench.runs import EXAMPLES

RUN_SECONDS, HELP_SECONDS = 60.0, 0.4
HELPS = 5


def speed(bench: Bench) -> Iterator[Row]:
    """The mushrooms run, end to end with set-up and report; and the program's help."""
    with TemporaryDirectory() as folder:
        said = ["run", str(EXAMPLES / "mushrooms"), "--out", f"{folder}/run", "--data", str(bench.data.absolute())]
        seconds = _seconds(said, {"OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"})
        assert (Path(folder) / "run" / "report.html").exists(), "the run left no report"
    detail = {"cores": os.cpu_count(), "threads": 2, "load average": os.getloadavg()}
    yield Row("speed: the mushrooms run, seconds", seconds, f"< {RUN_SECONDS:g}", seconds < RUN_SECONDS, detail)
    _seconds(["--help"])  # the first reads the files from disk and compiles them
    helps = [_seconds(["--help"]) for _ in range(HELPS)]
    middle = float(np.median(helps))
    yield Row("speed: imitative --help, seconds", middle, f"< {HELP_SECONDS:g}", middle < HELP_SECONDS, {"each": helps})


def _seconds(arguments: Sequence[str], changed: Mapping[str, str] | None = None) -> float:
    started = time.perf_counter()
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "imitative", *arguments],
        env={**os.environ, **(changed or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - started
    if done.returncode:
        raise RuntimeError(f"imitative {arguments[0]} ended with {done.returncode}: {done.stderr.strip()[-400:]}")
    return seconds
