"""How the command line talks: progress bars, errors in one line, times, stopping cleanly."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from math import isfinite
from threading import Event
from types import FrameType
from typing import Any

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from .errors import CallError

errors = Console(stderr=True, highlight=False, soft_wrap=True)
"""Where everything but results goes."""


class _Rate(ProgressColumn):
    """Frames a second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:.1f}/s" if speed else "", style="cyan")


class CameraBars:
    """A progress bar a camera: frames, rate and time left; on standard error, on terminals only."""

    def __init__(self, quiet: bool) -> None:
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("frames"),
            _Rate(),
            TimeRemainingColumn(),
            console=errors,
            disable=quiet or not errors.is_terminal,
        )
        self._tasks: dict[str, Any] = {}

    def __enter__(self) -> CameraBars:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def clear(self) -> None:
        """Forgets the bars, for a next round over the same cameras."""
        for task in self._tasks.values():
            self._progress.remove_task(task)
        self._tasks = {}

    def update(self, camera: str, done: int, total: int | None) -> None:
        """Moves a camera's bar."""
        if camera not in self._tasks:
            self._tasks[camera] = self._progress.add_task(camera, total=total)
        self._progress.update(self._tasks[camera], completed=done, total=total)


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Turns the packages' errors into one line and an exit status: 2 the call, 1 the run."""
    try:
        yield
    except Exception as error:
        status = _status(error)
        if status is None:
            raise
        say(" ".join(str(error).split()))
        raise typer.Exit(status) from None


def _status(error: Exception) -> int | None:
    """The exit status of an expected error, None for one that nobody foresaw."""
    status: int | None = getattr(error, "status", None)
    if status is None and isinstance(error, OSError):
        return 1
    return status


def say(line: str) -> None:
    """One line on standard error, as it is."""
    errors.print(Text.assemble(("nearfar:", "bold red"), " ", line))


@contextmanager
def stop_on_signal() -> Iterator[Event]:
    """An event that the first Ctrl-C or SIGTERM sets; the second one ends at once."""
    stop = Event()

    def handle(_signal: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        say("stopping; what was done is kept (again to end at once)")
        stop.set()

    before = {s: signal.signal(s, handle) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def parse_time(text: str | None) -> float | None:
    """UTC seconds from ISO 8601 (UTC where no zone is written) or from a number of seconds.

    Four figures may be a year or seconds of a recording without a date, so they are refused; eight
    are a day.
    """
    if text is None:
        return None
    if re.fullmatch(r"\d{4}", text):
        raise CallError(f"{text!r} may be a year: write {text}-01-01 or, for seconds, {text}.0")
    if not re.fullmatch(r"\d{8}", text):
        with suppress(ValueError):
            seconds = float(text)
            if isfinite(seconds):
                return seconds
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise CallError(f"{text!r} is no time: write 2026-01-31T08:00:00Z or seconds") from None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


def parse_box(text: str | None) -> tuple[float, float, float, float] | None:
    """x, y, w, h in pixels from ``x,y,w,h``."""
    if text is None:
        return None
    try:
        x, y, w, h = (float(v) for v in text.split(","))
    except ValueError:
        raise CallError(f"{text!r} is no box: write x,y,w,h in pixels") from None
    if not all(map(isfinite, (x, y, w, h))) or w <= 0 or h <= 0:
        raise CallError(f"box {text} has no area: write x,y,w,h in pixels")
    return x, y, w, h


def print_json(value: dict[str, Any]) -> None:
    """Prints one JSON object."""
    typer.echo(json.dumps(value, indent=2))
