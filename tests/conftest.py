"""Which tests run beside each other where there are several workers (`pytest -n 2`)."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parent
WAITING = ("live", "console", "pipeline/test_cluster.py")
"""Tests of programs in real time: they wait more than they work, one worker runs them all."""


@pytest.hookimpl(tryfirst=True)  # before the groups are read
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        file = item.path.relative_to(ROOT).as_posix()
        group = "waiting" if file.startswith(WAITING) else file
        item.add_marker(pytest.mark.xdist_group(group))
