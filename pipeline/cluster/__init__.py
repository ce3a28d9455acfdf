"""Recordings over many machines: Ray runs the work, one process keeps order and writes."""

from .ray import Workers
from .spread import over_workers
from .work import Models

__all__ = ["Models", "Workers", "over_workers"]
