"""Asks a running watch how it is."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from typing import Any

from ..errors import PipelineError


def ask(place: str) -> dict[str, Any]:
    """The values of `metrics.plain`.

    Args:
        place: ``HOST:PORT`` where the watch listens.

    Raises:
        PipelineError: nobody answers there, or something else does.
    """
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
