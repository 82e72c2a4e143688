"""Pictures of beliefs and forecasts, as SVG: densities before and after, fans, curves side by side. No script."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imitative.charts import scale, ticks
from imitative.display import figure

Floats = NDArray[np.float64]
WIDE, HIGH, LEFT, BOTTOM, TOP = 464.0, 220.0, 52.0, 30.0, 16.0


def density_picture(name: str, unit: str, curves: Sequence[tuple[str, Floats, Floats]]) -> str:
    """Densities of one parameter over each other.

    Args:
        name: of the parameter.
        unit: of the parameter.
        curves: (kind, x, density): kind `prior`, `posterior` or `words`.
    """
    low = min(float(x[0]) for _, x, _ in curves)
    high = max(float(x[-1]) for _, x, _ in curves)
    marks = [m for m in ticks(low, high) if low <= m <= high]
    across = scale(low, high, LEFT, WIDE - 8)
    most = max(float(d.max()) for _, _, d in curves) or 1.0
    up = scale(0.0, most, HIGH - BOTTOM, TOP)
    parts = [_ground(across, marks, f"{name}{f', {unit}' if unit else ''}")]
    for kind, x, d in curves:
        line = "L".join(f"{across(float(a))} {up(float(b))}" for a, b in zip(x, d, strict=True))
        area = kind == "posterior"
        path = f"M{line}" + (
            f"L{across(float(x[-1]))} {HIGH - BOTTOM}L{across(float(x[0]))} {HIGH - BOTTOM}Z" if area else ""
        )
        parts.append(
            f'<path class="{"area" if area else "line"} {kind}" d="{path}"><title>{escape(kind)}</title></path>'
        )
    return _svg(f"What is believed of {name}", "".join(parts))


def fan_picture(
    name: str, past: Floats, bands: Sequence[tuple[Floats, Floats]], middle: Floats, truth: Floats | None, unit: str
) -> str:
    """A series and its forecast: the past as a line, D′ as a fan, and what happened as points.

    Args:
        name: of the series.
        past: (T,) with NaN for gaps; the last 60 are drawn.
        bands: (low, high) of intervals, widest first, (H,) each.
        middle: (H,) the median.
        truth: (H,) or None.
        unit: of y.
    """
    past = past[-60:]
    t, h = len(past), len(middle)
    shown = [past[np.isfinite(past)], *(edge for band in bands for edge in band), middle]
    if truth is not None:
        shown.append(truth[np.isfinite(truth)])
    every = np.concatenate(shown)
    marks = ticks(float(every.min()), float(every.max()))
    across = scale(0.0, float(max(t + h - 1, 1)), LEFT, WIDE - 8)
    up = scale(marks[0], marks[-1], HIGH - BOTTOM, TOP)
    parts = [
        f'<line class="grid" x1="{LEFT}" x2="{WIDE - 8}" y1="{up(m)}" y2="{up(m)}"/>'
        f'<text class="mark" x="{LEFT - 6}" y="{up(m) + 4}" text-anchor="end">{escape(figure(m))}</text>'
        for m in marks
    ]
    places = [across(float(t + k)) for k in range(h)]
    for n, (low, high) in enumerate(bands):
        edge = [f"{x} {up(float(v))}" for x, v in zip(places, high, strict=True)]
        edge += [f"{x} {up(float(v))}" for x, v in zip(reversed(places), low[::-1], strict=True)]
        parts.append(f'<path class="band band{n}" d="M{"L".join(edge)}Z"/>')
    runs, current = [], []
    for k, v in enumerate(past):
        if np.isfinite(v):
            current.append(f"{across(float(k))} {up(float(v))}")
        elif current:
            runs.append(current)
            current = []
    runs.append(current)
    parts += [f'<path class="line past" d="M{"L".join(run)}"/>' for run in runs if len(run) > 1]
    track = "L".join(f"{x} {up(v)}" for x, v in zip(places, middle.tolist(), strict=True))
    parts.append(f'<path class="line model" d="M{track}"/>')
    if truth is not None:
        parts += [
            f'<circle class="point overseer" r="2.6" cx="{x}" cy="{up(v)}"><title>{escape(figure(v))}</title></circle>'
            for x, v in zip(places, truth.tolist(), strict=True)
            if np.isfinite(v)
        ]
    title = f"{name}{f', {unit}' if unit else ''}" or unit or "the series"
    parts.append(f'<text class="name" x="{LEFT}" y="{HIGH - 6}">{escape(title)}</text>')
    return _svg(f"{title}: the past, and what is expected", "".join(parts))


def consequences_picture(name: str, draws: Sequence[Floats], steps: int) -> str:
    """What a belief would make happen: curves drawn under it, before any data (a prior-predictive picture)."""
    every = np.concatenate([d[np.isfinite(d)] for d in draws])
    low, high = np.quantile(every, [0.02, 0.98])
    marks = ticks(float(low), float(high))
    across = scale(0.0, float(max(steps - 1, 1)), LEFT, WIDE - 8)
    up = scale(marks[0], marks[-1], HIGH - BOTTOM, TOP)
    parts = [
        f'<line class="grid" x1="{LEFT}" x2="{WIDE - 8}" y1="{up(m)}" y2="{up(m)}"/>'
        f'<text class="mark" x="{LEFT - 6}" y="{up(m) + 4}" text-anchor="end">{escape(figure(m))}</text>'
        for m in marks
    ]
    for d in draws:
        inside = np.clip(d, marks[0], marks[-1])
        line = "L".join(f"{across(float(k))} {up(float(v))}" for k, v in enumerate(inside) if np.isfinite(v))
        parts.append(f'<path class="line thin" d="M{line}"/>')
    parts.append(f'<text class="name" x="{LEFT}" y="{HIGH - 6}">{escape(name)}</text>')
    return _svg(f"What would happen if {name}", "".join(parts))


def _ground(across: Any, marks: Sequence[float], name: str) -> str:
    base = HIGH - BOTTOM
    found = [f'<line class="zero" x1="{LEFT}" x2="{WIDE - 8}" y1="{base}" y2="{base}"/>']
    found += [
        f'<text class="mark" x="{across(m)}" y="{base + 13}" text-anchor="middle">{escape(figure(m))}</text>'
        for m in marks
    ]
    found.append(f'<text class="name" x="{WIDE - 8}" y="{HIGH - 3}" text-anchor="end">{escape(name)}</text>')
    return "".join(found)


def _svg(title: str, inside: str) -> str:
    return f'<svg class="chart" viewBox="0 0 {WIDE:g} {HIGH:g}" role="img"><title>{escape(title)}</title>{inside}</svg>'
