"""The figures of beliefs, in the order of the table they answer."""

from __future__ import annotations

FIGURES: dict[str, tuple[str, bool]] = {
    "posteriors": ("bench.belief_posteriors:posteriors", True),
    "calibration": ("bench.belief_calibration:calibration", False),
    "conjugate": ("bench.belief_calibration:conjugate", False),
    "prior": ("bench.belief_prior:prior", False),
    "epidemics": ("bench.belief_forecasts:epidemics", True),
    "weighing": ("bench.weighing:weighing", True),
    "influenza": ("bench.belief_forecasts:influenza", True),
    "belief-speed": ("bench.belief_posteriors:speed", True),
}
"""Figure → `module:function`, and whether it is measured on real data."""
