"""The gallery: what was seen where and when, who it was, and the search for a person."""

from .errors import (
    GalleryDamaged,
    GalleryFull,
    GalleryHeld,
    GalleryLocked,
    GalleryModelMismatch,
    GalleryNotFound,
    GalleryReadOnly,
    GalleryTooNew,
    GalleryUnreachable,
    NotAGallery,
    StorageError,
)
from .gallery import Gallery
from .mending import Repair
from .records import (
    Appearance,
    BoxRow,
    GalleryInfo,
    ObservationRow,
    SearchHit,
    SearchPage,
    Session,
    Sighting,
    StoredIdentity,
    StoredTrack,
    TrackUpdate,
)

__all__ = [
    "Appearance",
    "BoxRow",
    "Gallery",
    "GalleryDamaged",
    "GalleryFull",
    "GalleryHeld",
    "GalleryInfo",
    "GalleryLocked",
    "GalleryModelMismatch",
    "GalleryNotFound",
    "GalleryReadOnly",
    "GalleryTooNew",
    "GalleryUnreachable",
    "NotAGallery",
    "ObservationRow",
    "Repair",
    "SearchHit",
    "SearchPage",
    "Session",
    "Sighting",
    "StorageError",
    "StoredIdentity",
    "StoredTrack",
    "TrackUpdate",
]
