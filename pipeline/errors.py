"""Errors of `pipeline`: one base class, one line each, saying what, which and what to do."""


class PipelineError(Exception):
    """Base class: a source, a detector, a site file or a run can't be used."""

    status = 1


class SourceError(PipelineError):
    """A video, folder or picture can't be read."""

    status = 2


class SiteError(PipelineError):
    """A site file is wrong."""

    status = 2


class QueryError(PipelineError):
    """A search was asked in a way that has no one answer."""

    status = 2
