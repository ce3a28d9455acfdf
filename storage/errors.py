"""Errors of `storage`: one base class, one line each, saying what, which and what to do."""


class StorageError(Exception):
    """Base class: the gallery can't be opened, read or written."""
