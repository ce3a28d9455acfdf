"""Errors of `tracker`: one base class, one line each, saying what, which and what to do."""


class TrackerError(Exception):
    """Base class: tracks or links can't be made from what was given."""

    status = 1
