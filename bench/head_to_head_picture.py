"""The picture of `bench.head_to_head`: python -m bench.head_to_head_picture ROWS.json docs/images/gepa.svg

D′ accuracy against the calls that were sent, a panel for each problem: mean over seeds, and from the worst to the best.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from imitative.charts import scale

WIDE, HIGH, LEFT, RIGHT, TOP, BOTTOM = 380.0, 260.0, 44.0, 366.0, 34.0, 222.0
COLOURS = {"ours": "#1b6e53", "gepa": "#b3541e", "gepa, 12 examples": "#7a6bb0"}


def picture(rows: Sequence[dict[str, Any]]) -> str:
    """One SVG, without scripts."""
    problems = list(dict.fromkeys(row["figure"].split(",")[0] for row in rows))
    panels = "".join(
        f'<g transform="translate({i * WIDE} 0)">{_panel(name, [r for r in rows if r["figure"].startswith(name)])}</g>'
        for i, name in enumerate(problems)
    )
    size = f'width="{WIDE * len(problems):.0f}" height="{HIGH:.0f}" viewBox="0 0 {WIDE * len(problems):.0f} {HIGH:.0f}"'
    style = "text{font:11px sans-serif;fill:#333}"
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}><style>{style}</style>{panels}</svg>\n'


def _panel(name: str, rows: Sequence[dict[str, Any]]) -> str:
    budgets = [int(row["figure"].split(", ")[1].split()[0]) for row in rows]
    across = scale(math.log(40), math.log(max(2000, *budgets) * 1.2), LEFT, RIGHT)
    low = min(0.4, *(min(min(found) for found in row["detail"]["D′"].values()) for row in rows))
    up = scale(low, 1.0, BOTTOM, TOP)
    seeds = len(rows[0]["detail"]["seeds"])
    parts = [f'<text x="{LEFT}" y="14" style="font-weight:bold">{name}: accuracy on D′, {seeds} seeds</text>']
    for tick in (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0):
        if tick >= low:
            parts.append(f'<path d="M{LEFT} {up(tick):.1f}H{RIGHT}" stroke="#ddd"/>')
            parts.append(f'<text x="{LEFT - 6}" y="{up(tick) + 4:.1f}" text-anchor="end">{tick:.1f}</text>')
    for budget in budgets:
        at = across(math.log(budget))
        parts.append(f'<text x="{at:.1f}" y="{BOTTOM + 16}" text-anchor="middle">{budget:,}</text>')
    parts.append(f'<text x="{RIGHT}" y="{BOTTOM + 32}" text-anchor="end">calls</text>')
    for turn, (who, colour) in enumerate(COLOURS.items()):
        shift = 3.0 * (turn - 1)
        means = []
        for budget, row in zip(budgets, rows, strict=True):
            found, at = row["detail"]["D′"][who], across(math.log(budget)) + shift
            means.append(f"{at:.1f} {up(row['detail']['mean D′'][who]):.1f}")
            ends = f"M{at:.1f} {up(min(found)):.1f}V{up(max(found)):.1f}"
            parts.append(f'<path d="{ends}" stroke="{colour}" stroke-opacity=".45"/>')
        parts.append(f'<path d="M{"L".join(means)}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(f'<text x="{LEFT + 8 + 70 * turn}" y="28" style="fill:{colour}">{who}</text>')
    return "".join(parts)


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(picture(json.loads(Path(sys.argv[1]).read_text("utf-8"))), "utf-8")
