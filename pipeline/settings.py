"""Settings of a run, with the defaults that serve all."""

from __future__ import annotations

from dataclasses import dataclass, field

from tracker import TrackerSettings

OF_THE_DETECTOR = TrackerSettings(high=0.4, low=0.15)
"""The tracker's scores for the packaged detector, which gives far people low ones."""


@dataclass(frozen=True)
class EmbedSettings:
    """Which observations get an embedding; not each box of each frame needs one.

    Args:
        every: least seconds between two embeddings of a track.
        slower: share of the track's age that must pass too, so that long tracks get fewer.
        quality: least quality; a person hidden by half is no good witness.
        crop_quality: of the JPEG that is kept, 1..100.
    """

    every: float = 0.4
    slower: float = 0.15
    quality: float = 0.3
    crop_quality: int = 90


@dataclass(frozen=True)
class Settings:
    """All that a run can be told beside its sources.

    Args:
        fps: frames a second of capture time that are looked at; all if None.
        commit_seconds: of capture time after which results are committed; what a killed run
            has to do again.
        patience: seconds that a gallery may be full, locked or out of reach before the run ends.
    """

    fps: float | None = None
    commit_seconds: float = 5.0
    patience: float = 600.0
    tracker: TrackerSettings = field(default_factory=lambda: OF_THE_DETECTOR)
    embed: EmbedSettings = field(default_factory=EmbedSettings)
