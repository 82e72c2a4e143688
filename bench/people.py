"""The judgement service's figures.

Each is a function from a `Bench` to rows, in a module named after what it measures; it is loaded when it is measured.
"""

from __future__ import annotations

FIGURES: dict[str, tuple[str, bool]] = {
    "cap": ("bench.crowding:cap", False),
    "speed": ("bench.crowding:speed", False),
    "same-answer": ("bench.crowding:same_answer", False),
    "kills": ("bench.faults:kills", False),
    "restarts": ("bench.faults:restarts", False),
    "faults": ("bench.faults:faults", False),
    "contract": ("bench.faults:contract", False),
    "left-clickers": ("bench.people_judges:left_clickers", False),
    "active-pairs": ("bench.people_judges:active_pairs", False),
    "agreement": ("bench.people_judges:agreement", False),
}
"""Figure → `module:function`, and whether it is measured on real data."""
