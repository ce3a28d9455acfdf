"""Errors of `storage`: one base class, one line each, saying what, which and what to do."""

from __future__ import annotations


class StorageError(Exception):
    """Base class: the gallery can't be opened, read or written.

    `passing` says whether it may be gone without anybody's changing the call.
    """

    status = 1
    passing = False


class GalleryNotFound(StorageError):
    """There is no gallery at the place given."""

    status = 2


class NotStored(StorageError):
    """What was named by number or name is not in the gallery (any more)."""


class Overtaken(StorageError):
    """What somebody looked at when they said this has changed since; nothing was done."""


class NotAGallery(StorageError):
    """The file is no database, or a database of something else."""

    status = 2


class GalleryDamaged(StorageError):
    """The database file or a crop is broken."""


class GalleryTooNew(StorageError):
    """The gallery was written by a later version of nearfar."""

    status = 2


class GalleryLocked(StorageError):
    """Another program has been writing for longer than the timeout."""

    passing = True


class GalleryUnreachable(StorageError):
    """The server doesn't answer, or doesn't let this user in."""

    passing = True


class GalleryClaimed(StorageError):
    """Another program watches this camera for the same gallery."""


class GalleryHeld(StorageError):
    """A legal hold forbids to remove what was to be removed."""


class GalleryReadOnly(StorageError):
    """Writing is needed, but the file, its folder or the way it was opened forbids it."""


class GalleryModelMismatch(StorageError):
    """The gallery holds vectors of another model."""

    status = 2


class GalleryFull(StorageError):
    """No room is left on the disk; what was stored before is whole."""

    passing = True
