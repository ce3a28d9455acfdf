"""Tracks in one camera, identities over cameras."""

from .association import assign, overlap
from .constraints import Constraints, Judgements
from .errors import TrackerError
from .finish import Clock, finish
from .follow import Follower, TrackerSettings
from .link import Group, Linker, LinkSettings, link
from .metrics import TrackScore, best_mapping, score_tracks
from .parts import Bundle, link_part, link_parts
from .refit import Judged, Refit, refit
from .single import Tracker
from .table import BoxTable
from .track import Observation, State, Track
from .tracklet import Identity, PairEvidence, Span, Tracklet

__all__ = [
    "BoxTable",
    "Bundle",
    "Clock",
    "Constraints",
    "Follower",
    "Group",
    "Identity",
    "Judged",
    "Judgements",
    "LinkSettings",
    "Linker",
    "Observation",
    "PairEvidence",
    "Refit",
    "Span",
    "State",
    "Track",
    "TrackScore",
    "Tracker",
    "TrackerError",
    "TrackerSettings",
    "Tracklet",
    "assign",
    "best_mapping",
    "finish",
    "link",
    "link_part",
    "link_parts",
    "overlap",
    "refit",
    "score_tracks",
]
