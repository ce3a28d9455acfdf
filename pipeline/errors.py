"""Errors of `pipeline`: one base class, one line each, saying what, which and what to do."""


class PipelineError(Exception):
    """Base class: a source, a detector, a site file or a run can't be used."""


class DetectorError(PipelineError):
    """The detector's weights, device or input can't be used."""
