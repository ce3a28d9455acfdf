"""The report: one self-contained page with a row an identity and a timeline."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from storage import Gallery

from .files import write_text
from .linking import Linked
from .outputs import iso
from .pages import clock, css_colour, has_date, picture, render, span

RIGHT = 1130
LETTER, LONGEST = 7.0, 30
"""Pixels that a letter of a camera's name takes at most, and letters of it that are shown."""
MOST_EVIDENCE = 6
"""Pairs of tracks that a row of the report lists."""
DAY = 86_400
TICK_STEPS = (1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, DAY, 7 * DAY)
MOST_TICKS = 10


def write_report(path: Path, gallery: Gallery, identities: Sequence[Linked]) -> Path:
    """Writes the page; people seen in more cameras come first, then those with more evidence."""
    stored = {i.id: i for i in gallery.identities()}
    tracks = [t for one in identities for t in one.tracks]
    rows = []
    for one in sorted(identities, key=_order):
        shown = [picture(gallery, a) for a in stored[one.identity].appearances]
        rows.append(
            {
                "identity": one.identity,
                "colour": css_colour(one.identity),
                "cameras": one.cameras,
                "tracks": len(one.tracks),
                "when": span(one.tracks[0].first, max(t.last for t in one.tracks)),
                "appearances": sorted(shown, key=lambda a: -(a.height or 0)),
                "evidence": _evidence(one),
                "pairs": len(one.evidence),
            }
        )
    info = gallery.info()
    page = render(
        "report.html",
        rows=rows,
        crossing=sum(len(one.cameras) > 1 for one in identities),
        tracks=len(tracks),
        timeline=_timeline(identities, sorted({s.camera for s in gallery.sessions()})),
        span=span(min(t.first for t in tracks), max(t.last for t in tracks)) if tracks else "",
        model=f"{info.model.name} {info.model.fingerprint}" if info.model else "unknown",
    )
    write_text(path, page)
    return path


def _evidence(one: Linked) -> list[dict[str, Any]]:
    """The strongest pairs of tracks, those of two cameras before those of one."""
    tracks = {t.id: t for t in one.tracks}
    pairs = sorted(
        one.evidence.items(),
        key=lambda pair: (
            tracks[pair[0][0]].camera == tracks[pair[0][1]].camera,
            -pair[1].log_odds,
        ),
    )
    names = {t.id: f"{t.camera} #{t.number}" for t in one.tracks}
    return [
        {"a": names[a], "b": names[b], "log_odds": e.log_odds, "level": e.level}
        for (a, b), e in pairs[:MOST_EVIDENCE]
    ]


def _order(one: Linked) -> tuple[int, float, int]:
    return -len(one.cameras), -sum(e.log_odds for e in one.evidence.values()), one.identity


def _timeline(identities: Sequence[Linked], cameras: Sequence[str]) -> dict[str, Any]:
    """Lanes of cameras; in each, bars of tracks stacked so that they don't overlap."""
    bars = [(t, one.identity) for one in identities for t in one.tracks]
    start = min((t.first for t, _ in bars), default=0.0)
    end = max((t.last for t, _ in bars), default=0.0)
    left = 12 + LETTER * min(LONGEST, max(map(len, cameras), default=0))
    scale = (RIGHT - left) / max(end - start, 1e-3)
    lanes, y = [], 6.0
    for camera in cameras:
        levels: list[float] = []
        drawn = []
        for t, identity in sorted(bars, key=lambda b: b[0].first):
            if t.camera != camera:
                continue
            row = next((i for i, busy in enumerate(levels) if busy <= t.first), len(levels))
            levels[row : row + 1] = [t.last + 3 / scale]
            drawn.append(
                {
                    "x": round(left + (t.first - start) * scale, 1),
                    "width": round(max(3.0, (t.last - t.first) * scale), 1),
                    "y": y + 9 * row,
                    "identity": identity,
                    "colour": css_colour(identity),
                    "when": span(t.first, t.last),
                }
            )
        name = camera if len(camera) <= LONGEST else camera[: LONGEST - 1] + "…"
        lanes.append({"camera": camera, "name": name, "y": y, "bars": drawn})
        y += 9 * max(1, len(levels)) + 12
    ticks = _ticks(start, end, left, scale) if bars else []
    return {"lanes": lanes, "ticks": ticks, "height": y + 16}


def _ticks(start: float, end: float, left: float, scale: float) -> list[dict[str, Any]]:
    step = next((s for s in TICK_STEPS if (end - start) / s <= MOST_TICKS), TICK_STEPS[-1])
    while (end - start) / step > MOST_TICKS:
        step *= 2
    first = math.ceil(start / step) * step
    times = [first + i * step for i in range(int((end - first) // step) + 1)]
    days = has_date(start) and iso(start)[:10] != iso(end)[:10]
    return [
        {"x": round(left + (t - start) * scale, 1), "text": _label(t, step) if days else clock(t)}
        for t in times
    ]


def _label(time: float, step: float) -> str:
    """A tick of a timeline of several days."""
    if step >= DAY:
        return iso(time)[:10]
    return iso(time)[5 : 16 if step >= 60 else 19].replace("T", " ")
