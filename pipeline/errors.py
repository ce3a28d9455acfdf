"""Errors of `pipeline`: one base class, one line each, saying what, which and what to do."""


class PipelineError(Exception):
    """Base class: a source, a detector, a site file or a run can't be used."""
