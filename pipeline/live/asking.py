"""Asks a running watch how it is, and what it sees."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import quote

from ..errors import PipelineError
from .address import split_place


def ask(place: str) -> dict[str, Any]:
    """The values of `metrics.plain`.

    Args:
        place: ``HOST:PORT`` where the watch listens.

    Raises:
        CallError: no such place. PipelineError: nobody answers there, or something else does.
    """
    split_place(place)
    try:
        with urllib.request.urlopen(f"http://{place}/status", timeout=5) as answer:
            facts = json.load(answer)
        if "cameras" not in facts:
            raise ValueError
    except (urllib.error.HTTPError, http.client.HTTPException, ValueError, TypeError) as error:
        raise PipelineError(f"what listens at {place} is no nearfar watch") from error
    except OSError as error:
        raise PipelineError(f"no watch listens at {place}: start one with nearfar watch") from error
    return dict(facts)


def frames_of(place: str) -> dict[str, Any]:
    """The values of `Frames.plain`; none where the watch shows no frames."""
    try:
        return dict(json.loads(_get(place, "/frames") or b"{}"))
    except ValueError:
        return {}


def picture_of(place: str, camera: str, frame: int) -> bytes | None:
    """The JPEG of a frame that `frames_of` told of; None if it is gone."""
    return _get(place, f"/frames/{quote(camera, safe='')}.jpg?frame={frame}")


def _get(place: str, path: str) -> bytes | None:
    try:
        with urllib.request.urlopen(f"http://{place}{path}", timeout=5) as answer:
            return bytes(answer.read())
    except (OSError, http.client.HTTPException):  # an answer that is an error is an OSError
        return None
