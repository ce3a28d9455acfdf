"""Errors of `storage`: one base class, one line each, saying what, which and what to do."""

from __future__ import annotations


class StorageError(Exception):
    """Base class: the gallery can't be opened, read or written."""


class GalleryNotFound(StorageError):
    """There is no gallery at the place given."""


class NotAGallery(StorageError):
    """The file is no database, or a database of something else."""


class GalleryDamaged(StorageError):
    """The database file or a crop is broken."""


class GalleryTooNew(StorageError):
    """The gallery was written by a later version of nearfar."""


class GalleryLocked(StorageError):
    """Another program has been writing for longer than the timeout."""


class GalleryReadOnly(StorageError):
    """Writing is needed, but the file, its folder or the way it was opened forbids it."""


class GalleryModelMismatch(StorageError):
    """The gallery holds vectors of another model."""


class GalleryFull(StorageError):
    """No room is left on the disk; what was stored before is whole."""
