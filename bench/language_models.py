"""The figures of language models: calls as money, hypotheses in free text, judges of our own.

Each is a function from a `Bench` to rows, in a module named after what it measures; it is loaded when it is measured.
"""

from __future__ import annotations

FIGURES: dict[str, tuple[str, bool]] = {
    "prefix": ("bench.causal:prefix", False),
    "single-flight": ("bench.calls:single_flight", False),
    "crash": ("bench.calls:crash", False),
    "budget": ("bench.calls:budget", False),
    "guard": ("bench.texts:guard", False),
    "bias": ("bench.texts:bias", False),
    "goodhart": ("bench.texts:goodhart", False),
    "gepa": ("bench.head_to_head:against_gepa", False),
    "mipro": ("bench.mipro:against_mipro", False),
    "reader": ("bench.causal:reader", False),
    "sharing": ("bench.sharing:sharing", False),
}
"""Figure → `module:function`, and whether it is measured on real data."""
