"""The gallery: what was seen where and when, who it was, and the search for a person."""

from .accounts import Account, Accounts
from .asking import Ask, PartSearcher, Question
from .audit import AuditEntry, AuditLog, AuditProof
from .backend import Claim
from .browsing import Browse, Doubt
from .copying import copy, export, import_, read_manifest
from .cutting import Plan
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
    NotStored,
    Overtaken,
    StorageError,
)
from .gallery import Gallery
from .holds import LegalHold
from .identities import Judgements
from .life import Life
from .limits import Limits
from .looks import spread
from .mending import Repair
from .parts import Part
from .people import Change, People
from .ranking import Found
from .recalibration import Decision, Recalibration
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
from .rules import Rule
from .standing import Said
from .watchlist import Alert, Wanted, WatchList

__all__ = [
    "Account",
    "Accounts",
    "Alert",
    "Appearance",
    "Ask",
    "AuditEntry",
    "AuditLog",
    "AuditProof",
    "BoxRow",
    "Browse",
    "Change",
    "Claim",
    "Decision",
    "Doubt",
    "Found",
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
    "Limits",
    "NotAGallery",
    "NotStored",
    "ObservationRow",
    "Overtaken",
    "Part",
    "PartSearcher",
    "People",
    "Plan",
    "Question",
    "Recalibration",
    "Removed",
    "Repair",
    "Rule",
    "Said",
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
    "read_manifest",
    "reindex",
    "spread",
]
