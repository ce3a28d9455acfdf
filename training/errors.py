"""Errors of `training`: one base class, one line each, saying what, which and what to do."""


class TrainingError(Exception):
    """Base class: a data set, a recipe or a checkpoint can't be used."""

    status = 2
