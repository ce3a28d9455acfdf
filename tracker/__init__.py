"""Tracks in one camera, identities over cameras."""

from .association import overlap
from .errors import TrackerError
from .link import Constraints, Identity, LinkSettings, PairEvidence, Tracklet, link
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
    "Tracker",
    "TrackerError",
    "TrackerSettings",
    "Tracklet",
    "link",
    "overlap",
]
