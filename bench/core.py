"""The core's figures, in the order of the table they answer.

Each is a function from a `Bench` to rows, in a module named after what it measures; it is loaded when it is measured.
"""

from __future__ import annotations

FIGURES: dict[str, tuple[str, bool]] = {
    "huskies": ("bench.huskies:huskies", False),
    "mushrooms": ("bench.mushrooms:mushrooms", True),
    "mushrooms-crowd": ("bench.crowd:crowd_mushrooms", True),
    "admission": ("bench.admission:admission", True),
    "admission-curve": ("bench.admission:curve", True),
    "admission-person": ("bench.admission_person:person", False),
    "reviews": ("bench.reviews:reviews", True),
    "crowd": ("bench.crowd:unseen_pairs", True),
    "finite": ("bench.finite:finite", False),
    "on-distribution": ("bench.elicitation:on_distribution", False),
    "competitiveness": ("bench.competitiveness:competitiveness", True),
    "audit": ("bench.audit:audit", False),
    "active": ("bench.elicitation:active", False),
    "active-mushrooms": ("bench.elicitation:active_mushrooms", True),
    "scoring": ("bench.scoring:scoring", True),
    "speed": ("bench.speed:speed", True),
}
"""Figure → `module:function`, and whether it is measured on real data."""
