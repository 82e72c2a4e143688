"""What words leave unsaid: a density that sums to one, exact for Gaussians, and curved where the draws are."""

from __future__ import annotations

import math

import numpy as np
import pytest

from imitative.search.filling import Filled

SAID = np.array([1])
HALF_LOG_2PI_E = 0.5 * math.log(2 * math.pi * math.e)


def _mean_log_density(filled: Filled, u: np.ndarray, seed: int = 5) -> float:
    """E log q(rest | said), q's own draws of the rest beside these draws of the said."""
    noise = np.random.default_rng(seed).standard_normal((len(u), u.shape[1] - len(SAID)))
    return float(filled.log_density(u[:, SAID], noise).mean())


def test_a_gaussian_is_filled_in_as_one() -> None:
    rng = np.random.default_rng(0)
    mix = np.array([[1.0, 0.5, 0.2], [0.0, 1.0, -0.7], [0.0, 0.0, 0.4]])
    u = rng.standard_normal((4000, 3)) @ mix.T
    filled = Filled.of(u, SAID)
    assert (filled.bend == 0.0).all()
    assert np.abs(filled.slope[:, 1:]).max() == 0.0
    cov = mix @ mix.T
    rest = [0, 2]
    left = cov[np.ix_(rest, rest)] - np.outer(cov[rest, 1], cov[1, rest]) / cov[1, 1]
    assert filled.factor @ filled.factor.T == pytest.approx(left, abs=0.1)
    assert filled.slope[:, 0] / filled.scale == pytest.approx(cov[rest, 1] / cov[1, 1], abs=0.06)


def test_a_funnel_is_filled_in_narrower_at_its_neck() -> None:
    """x given v is N(v²/2, e^v): one Gaussian of both would lose 0.6 nats, this next to nothing."""
    rng = np.random.default_rng(1)
    v = rng.standard_normal(8000)
    u = np.stack([0.5 * v**2 + np.exp(0.5 * v) * rng.standard_normal(8000), v], axis=1)
    filled = Filled.of(u, SAID)
    for at in (-1.5, 0.0, 1.5):
        said = np.full((4000, 1), at)
        drawn = filled.u(said, np.random.default_rng(2).standard_normal((4000, 1)))
        assert drawn[:, 0].std() == pytest.approx(math.exp(0.5 * at), rel=0.15)
        assert drawn[:, 0].mean() == pytest.approx(0.5 * at**2, abs=0.15 * math.exp(0.5 * at) + 0.05)
    assert _mean_log_density(filled, u) == pytest.approx(-HALF_LOG_2PI_E - 0.5 * v.mean(), abs=0.03)


def test_its_density_is_that_of_what_it_draws() -> None:
    rng = np.random.default_rng(3)
    v = rng.standard_normal(3000)
    u = np.stack([np.exp(0.5 * v) * rng.standard_normal(3000), v], axis=1)
    filled = Filled.of(u, SAID)
    noise = np.linspace(-6.0, 6.0, 2001)[:, None]
    said = np.full((2001, 1), 0.8)
    drawn = filled.u(said, noise)[:, 0]
    assert float(np.trapezoid(np.exp(filled.log_density(said, noise)), drawn)) == pytest.approx(1.0, abs=1e-4)


def test_far_from_the_draws_nothing_runs_away() -> None:
    rng = np.random.default_rng(4)
    v = rng.standard_normal(3000)
    u = np.stack([v**2 + np.exp(v) * rng.standard_normal(3000), v], axis=1)
    filled = Filled.of(u, SAID)
    far = filled.u(np.array([[30.0], [-30.0]]), np.ones((2, 1)))
    assert np.isfinite(far).all()
    assert np.abs(far).max() < 1000.0


def test_nothing_unsaid_is_nothing_filled_in() -> None:
    u = np.random.default_rng(6).standard_normal((100, 2))
    filled = Filled.of(u, np.array([0, 1]))
    assert (filled.u(u, np.zeros((100, 0))) == u).all()
    assert (filled.log_density(u, np.zeros((100, 0))) == 0.0).all()
