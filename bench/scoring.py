"""Scoring every hypothesis that differs from z in one statement, on all of D.

The neighbours are z with one statement more, and z with any of its statements replaced or left out: for |z| statements,
K conditions, A answers and W strengths, (|z| + 1) · K · A · W of them. `Scorer` scores them in one matrix product

    masks (K × n, float32) @ gains (n × C · A · W, float32),      C = |z| + 1

whose floor in memory traffic is reading the masks and the gains once and writing the product once:

    4 · (K · n + n · C · A · W + K · C · A · W) bytes.

It does 2 · K · n · C · A · W operations on them. Where C · A · W is a hundred or so the product is bound by arithmetic
and not by memory, so the fraction of the machine's measured multiplication rate stands beside that of its bandwidth;
with C = 1 (one slot) memory counts for more. The seconds are those of `Scorer.likelihood_of_all`, gains included.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple, TypeVar

import numpy as np

from bench.figure import Bench, Row, at_least
from bench.mushrooms import habitat
from imitative.data import Floats
from imitative.hypotheses.statements import Hypothesis, StatementSpace
from imitative.induction import induce
from imitative.pool import build_pool
from imitative.posterior import Posterior
from imitative.scoring import EMPTY, Pool, Scorer, Slots

T = TypeVar("T")

SAMPLED = 300
"""Neighbours scored the plain way, drawn at random: their mean time is known to a few per cent."""
STREAM = 1 << 29
"""Bytes of the stream that measures bandwidth: far beyond any cache."""
REPEATS = 9
AGREE = 1e-5
"""By which the two may differ, as a share of |log prior| + |log likelihood| (the score itself may be near 0): the
product runs in single precision, whose rounding of 6e-8 grows with the root of the 3,000 rows summed, to 3e-6."""
FASTER, TENFOLD = 50.0, 10


class Rest(NamedTuple):
    """z with one slot empty, and what is left of it."""

    slots: Slots
    logits: Floats
    log_prior: float
    log_likelihood: float


def scoring(bench: Bench) -> Iterator[Row]:
    """On mushrooms in the woods, D at its largest: K is the pool a search would use, z what it finds."""
    loaded = habitat("d", bench.data)
    settings = replace(loaded.settings, rounds=2, steps=60)
    induced = induce(loaded.problem, loaded.build_overseer(0), budget=100, encode=bench.encode, settings=settings)
    posterior, space = induced.posterior, loaded.problem.space
    pool = build_pool(space, posterior, loaded.problem.unlabelled, [induced.best])
    scorer = Scorer(posterior, pool)
    rests = _rests(scorer, induced.best, space)
    fast, seconds = _timed(lambda: neighbours(scorer, rests))
    plain, worst = _plainly(posterior, scorer, rests, fast)
    bandwidth, rate = stream_bandwidth(), multiplication_rate()
    detail = {
        "rows of D": len(posterior.labelled),
        "conditions": len(scorer.pool),
        "neighbours": fast.size,
        "seconds for all": seconds,
        "plain seconds each": plain,
        "plain neighbours timed": SAMPLED,
        "largest difference, as a share of what is summed": worst,
        "neighbours a second": fast.size / seconds,
    }
    speedup = plain * fast.size / seconds
    yield at_least("scoring: all neighbours, times a plain recomputation", speedup, FASTER, detail, worst <= AGREE)
    agree = {"sampled": SAMPLED, "of": fast.size}
    yield Row("scoring: difference from a plain recomputation, relative", worst, f"≤ {AGREE:g}", worst <= AGREE, agree)
    tenfold = _tenfold(posterior, scorer.pool)
    parts = {
        "all slots": _traffic(scorer, [rest.logits for rest in rests], bandwidth, rate),
        "one slot": _traffic(scorer, [rests[0].logits], bandwidth, rate),
        "one slot, ten times the rows": _traffic(tenfold, [_logits(tenfold, induced.best)], bandwidth, rate),
    }
    share = max(parts["one slot"]["of bandwidth"], parts["one slot, ten times the rows"]["of bandwidth"])
    machine = {"bandwidth, bytes/s": bandwidth, "float32 multiplication, operations/s": rate}
    yield Row("scoring: fraction of memory bandwidth, one slot", share, "measured", share > 0.0, machine | parts)


def _traffic(scorer: Scorer, logits: Sequence[Floats], bandwidth: float, rate: float) -> dict[str, float]:
    """What the product moves and does, and how near that is to what the machine can."""
    (k, n), columns = scorer.masks.shape, len(logits) * scorer.options // len(scorer.pool)
    _, seconds = _timed(lambda: scorer.likelihood_of_all(logits))
    return {
        "columns": columns,
        "floor, bytes": floor(k, n, columns),
        "seconds": seconds,
        "of bandwidth": floor(k, n, columns) / seconds / bandwidth,
        "of the multiplication rate": 2.0 * k * n * columns / seconds / rate,
    }


def floor(conditions: int, rows: int, columns: int) -> int:
    """The bytes a product must move: masks and gains in, the product out."""
    return 4 * (conditions * rows + rows * columns + conditions * columns)


def neighbours(scorer: Scorer, rests: Sequence[Rest]) -> Floats:
    """The score of z with each slot filled by each option: (C, K · A · W) nats."""
    likelihood = scorer.likelihood_of_all([rest.logits for rest in rests])
    return np.array(
        [
            rest.log_prior + rest.log_likelihood + scorer.prior_of_all(rest.slots) + added
            for rest, added in zip(rests, likelihood, strict=True)
        ]
    )


def _rests(scorer: Scorer, z: Hypothesis, space: StatementSpace) -> list[Rest]:
    """z with a free slot, and z without each of its statements."""
    less = [replace(z, statements=tuple(o for o in z.statements if o != s)) for s in z.statements]
    found = []
    for one in (z, *less):
        slots = scorer.encode(one, space.limits.statements + 1)
        assert slots is not None, "the pool holds what z says"
        logits = scorer.logits(slots)
        found.append(Rest(slots, logits, scorer.log_prior(slots), scorer.log_likelihood(logits)))
    return found


def _plainly(posterior: Posterior, scorer: Scorer, rests: Sequence[Rest], fast: Floats) -> tuple[float, float]:
    """Seconds for one neighbour by the definition, and the largest difference from what the product gave it."""
    rng = np.random.default_rng(0)
    seconds, worst = 0.0, 0.0
    timed = 0
    while timed < SAMPLED:
        c, option = int(rng.integers(len(rests))), int(rng.integers(scorer.options))
        slots = rests[c].slots
        taken = {k for o in slots.options if o != EMPTY for k in scorer.conflicts(int(o))}
        if scorer.split(option)[0] in taken:
            continue  # says the same thing of the same things as another statement: no hypothesis
        options = slots.options.copy()
        options[int(np.flatnonzero(options == EMPTY)[0])] = option
        z = scorer.decode(Slots(options, slots.default))
        started = time.perf_counter()
        score = posterior.score(z)
        seconds += time.perf_counter() - started
        summed = abs(posterior.log_prior(z)) + abs(posterior.log_likelihood(z))
        worst = max(worst, abs(score - float(fast[c, option])) / max(1.0, summed))
        timed += 1
    return seconds / SAMPLED, worst


def _logits(scorer: Scorer, z: Hypothesis) -> Floats:
    slots = scorer.encode(z, len(z.statements) + 1)
    assert slots is not None
    return scorer.logits(slots)


def _tenfold(posterior: Posterior, pool: Pool) -> Scorer:
    """The same over a D that repeats every row ten times: masks that no cache holds."""
    rows = np.tile(np.arange(len(posterior.labelled)), TENFOLD)
    return Scorer(replace(posterior, labelled=posterior.labelled.take(rows)), pool)


def _timed(work: Callable[[], T]) -> tuple[T, float]:
    """What it gives, and the median of its seconds."""
    found, seconds = work(), []
    for _ in range(REPEATS):
        started = time.perf_counter()
        found = work()
        seconds.append(time.perf_counter() - started)
    return found, float(np.median(seconds))


def stream_bandwidth() -> float:
    """Bytes a second that one thread reads of a stream too large for any cache: the better of a sum and a product."""
    stream = np.ones((STREAM // 4 // 4096, 4096), dtype=np.float32)
    weights = np.ones(4096, dtype=np.float32)
    rates = []
    for read in (lambda: stream.sum(), lambda: stream @ weights):
        for _ in range(3):
            started = time.perf_counter()
            read()
            rates.append(stream.nbytes / (time.perf_counter() - started))
    return float(max(rates))


def multiplication_rate(size: int = 1024) -> float:
    """Float32 operations a second in a square product that fits the cache."""
    square = np.ones((size, size), dtype=np.float32)
    best = 0.0
    for _ in range(4):
        started = time.perf_counter()
        square @ square
        best = max(best, 2.0 * size**3 / (time.perf_counter() - started))
    return best
