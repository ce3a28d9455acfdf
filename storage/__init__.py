"""The gallery: what was seen where and when, who it was, and the search for a person."""

from .errors import (
    GalleryDamaged,
    GalleryFull,
    GalleryLocked,
    GalleryModelMismatch,
    GalleryNotFound,
    GalleryReadOnly,
    GalleryTooNew,
    NotAGallery,
    StorageError,
)
from .gallery import Gallery
from .records import (
    Appearance,
    BoxRow,
    GalleryInfo,
    ObservationRow,
    SearchHit,
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
    "GalleryInfo",
    "GalleryLocked",
    "GalleryModelMismatch",
    "GalleryNotFound",
    "GalleryReadOnly",
    "GalleryTooNew",
    "NotAGallery",
    "ObservationRow",
    "SearchHit",
    "Session",
    "Sighting",
    "StorageError",
    "StoredIdentity",
    "StoredTrack",
    "TrackUpdate",
]
