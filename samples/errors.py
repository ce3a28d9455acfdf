"""Errors of `samples`: one base class, one line each, saying what, which and what to do."""


class SamplesError(Exception):
    """Base class: a sample scene can't be rendered as asked."""

    status = 2
