"""Errors of `reid`: one base class, one line each, saying what, which and what to do."""


class ReidError(Exception):
    """Base class: an embedder, a model file or an embedding can't be used."""

    status = 2
