"""Tracks in one camera, identities over cameras."""

from .association import overlap
from .constraints import Constraints
from .errors import TrackerError
from .finish import Clock, finish
from .follow import Follower, TrackerSettings
from .link import Identity, LinkSettings, PairEvidence, link
from .metrics import TrackScore, best_mapping, score_tracks
from .single import Tracker
from .table import BoxTable
from .track import Observation, State, Track
from .tracklet import Tracklet

__all__ = [
    "BoxTable",
    "Clock",
    "Constraints",
    "Follower",
    "Identity",
    "LinkSettings",
    "Observation",
    "PairEvidence",
    "State",
    "Track",
    "TrackScore",
    "Tracker",
    "TrackerError",
    "TrackerSettings",
    "Tracklet",
    "best_mapping",
    "finish",
    "link",
    "overlap",
    "score_tracks",
]
