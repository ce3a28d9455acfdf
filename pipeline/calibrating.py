"""`calibrate`: evidence weighed anew by what people decided of the machine's links."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from storage import Gallery, StoredTrack
from tracker import Judged, LinkSettings, Refit, refit

from .errors import CallError, PipelineError
from .linking import LOOKS

PARTNERS = 8
"""Tracks of an identity that a decision is held against, at most."""


def calibrate(gallery: Gallery, settings: LinkSettings | None = None) -> Refit:
    """Fits the calibration of a gallery's model to its decisions; keeps nothing.

    Raises:
        CallError: the gallery has no model. TrackerError: too few decisions, or they make no sense.
    """
    if gallery.model is None:
        raise CallError("the gallery is empty: there is nothing to calibrate")
    return refit(judged(gallery), gallery.model.calibration, settings)


def keep(gallery: Gallery, found: Refit) -> None:
    """Has everything use it from now on.

    Raises:
        PipelineError: it foretells decisions no better than the calibration before.
    """
    if not found.better:
        raise PipelineError(
            "nothing is kept: decisions that it has not seen are foretold no better "
            f"({found.after.loss:.3f} against {found.before.loss:.3f} nats lost a decision)"
        )
    gallery.recalibration.keep(found.calibration, facts(found))


def judged(gallery: Gallery) -> list[Judged]:
    """Pairs of tracks on which people decided, with their looks.

    A decision weighs one, in equal parts for each track that it is held against; what two decisions
    say of the same two tracks counts once, at the larger weight.
    """
    said: dict[tuple[int, int, bool], tuple[float, int]] = {}
    for one in gallery.recalibration.decisions():
        others = _spread(one.others)
        for other in others:
            pair = (min(one.track, other), max(one.track, other), one.same)
            before, _ = said.get(pair, (0.0, 0))
            said[pair] = (max(before, 1 / len(others)), one.identity)
    ids = sorted({track for a, b, _ in said for track in (a, b)})
    tracks: dict[int, StoredTrack] = {t.id: t for t in gallery.browse.tracks(ids, looks=LOOKS)}
    return [
        Judged(tracks[a].embeddings, tracks[b].embeddings, same, weight, identity)
        for (a, b, same), (weight, identity) in sorted(said.items())
        if len(tracks[a].embeddings) and len(tracks[b].embeddings)
    ]


def facts(found: Refit) -> dict[str, Any]:
    """A fit as plain values."""
    return {
        "decisions": {"same": round(found.same, 2), "different": round(found.different, 2)},
        "before": {"error": round(found.before.error, 4), "loss": round(found.before.loss, 4)},
        "after": {"error": round(found.after.error, 4), "loss": round(found.after.loss, 4)},
        "levels": [
            {
                "levels": list(one.levels),
                "same": round(one.same, 2),
                "different": round(one.different, 2),
                "offset": round(one.offset, 4),
                "factor": round(one.factor, 4),
            }
            for one in found.levels
        ],
    }


def _spread(tracks: Sequence[int]) -> Sequence[int]:
    """At most `PARTNERS` of some tracks, in equal steps."""
    n = min(PARTNERS, len(tracks))
    return [tracks[i * len(tracks) // n] for i in range(n)]
