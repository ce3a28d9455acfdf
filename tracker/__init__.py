"""Tracks in one camera, identities over cameras."""

from .association import overlap
from .errors import TrackerError
from .link import Constraints, Identity, LinkSettings, PairEvidence, Tracklet, link
from .metrics import TrackBoxes, TrackScore, best_mapping, score_tracks
from .single import Tracker, TrackerSettings
from .track import Observation, State, Track

__all__ = [
    "Constraints",
    "Identity",
    "LinkSettings",
    "Observation",
    "PairEvidence",
    "State",
    "Track",
    "TrackBoxes",
    "TrackScore",
    "Tracker",
    "TrackerError",
    "TrackerSettings",
    "Tracklet",
    "best_mapping",
    "link",
    "overlap",
    "score_tracks",
]
