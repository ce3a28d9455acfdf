"""The gallery: what was seen where and when, who it was, and the search for a person."""

from .audit import AuditEntry, AuditLog, AuditProof
from .backend import Claim
from .copying import copy, export, import_
from .errors import (
    GalleryClaimed,
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
from .holds import LegalHold
from .identities import Judgements
from .life import Life
from .looks import spread
from .mending import Repair
from .people import Change, People
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
from .reindexing import reindex
from .removal import Removed
from .watchlist import Alert, Wanted, WatchList

__all__ = [
    "Alert",
    "Appearance",
    "AuditEntry",
    "AuditLog",
    "AuditProof",
    "BoxRow",
    "Change",
    "Claim",
    "Gallery",
    "GalleryClaimed",
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
    "Judgements",
    "LegalHold",
    "Life",
    "NotAGallery",
    "ObservationRow",
    "People",
    "Removed",
    "Repair",
    "SearchHit",
    "SearchPage",
    "Session",
    "Sighting",
    "StorageError",
    "StoredIdentity",
    "StoredTrack",
    "TrackUpdate",
    "Wanted",
    "WatchList",
    "copy",
    "export",
    "import_",
    "reindex",
    "spread",
]
