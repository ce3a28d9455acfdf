"""Errors of `pipeline`: one base class, one line each, saying what, which and what to do.

`status` is the exit status of the command line: 2 when the call was wrong, 1 when it failed.
"""


class PipelineError(Exception):
    """Base class: a source, a detector, a site file or a run can't be used."""

    status = 1


class CallError(PipelineError):
    """A call asks for what makes no sense."""

    status = 2


class SourceError(PipelineError):
    """A video, folder or picture can't be read."""

    status = 2


class SiteError(PipelineError):
    """A site file is wrong."""

    status = 2


class DetectorError(PipelineError):
    """The detector's weights, device or input can't be used."""

    status = 2


class OutputError(PipelineError):
    """A result can't be written."""


class QueryError(PipelineError):
    """A search was asked in a way that has no one answer."""

    status = 2
