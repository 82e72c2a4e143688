"""The judgement service's figures, in the order of the table they answer.

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
}
"""Figure → `module:function`, and whether it is measured on real data."""
