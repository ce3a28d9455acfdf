"""The progress bar of a training run, and the processes that share one."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event
from types import FrameType

import torch
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

BESIDE = 70
"""Columns that all but the losses take."""


class EpochBar:
    """Steps, losses of the last epoch and time left; on standard error, on terminals only."""

    def __init__(self, title: str = "training") -> None:
        console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(20),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[losses]}", markup=False),
            console=console,
            disable=not console.is_terminal or not first_process(),
        )
        self._task = self._progress.add_task(title, total=None, losses="")

    def __enter__(self) -> EpochBar:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def update(self, step: int, total: int, row: dict[str, float]) -> None:
        """Moves the bar; `row` is the last epoch's row of the log, empty before there is one."""
        losses = {k: v for k, v in row.items() if k not in ("epoch", "stage", "lr")}
        said = ""
        if row:
            each = " ".join(f"{name} {value:.3f}" for name, value in losses.items())
            said = f"epoch {row['epoch']:.0f} stage {row['stage']:.0f} {each}"
            if len(said) > self._progress.console.width - BESIDE:
                said = f"epoch {row['epoch']:.0f} loss {sum(losses.values()):.3f}"
        self._progress.update(self._task, completed=step, total=total, losses=said)


@contextmanager
def stop_on_signal() -> Iterator[Event]:
    """An event that the first Ctrl-C or SIGTERM sets; the second one ends at once."""
    stop = Event()

    def handle(_signal: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = {s: signal.signal(s, handle) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def first_process() -> bool:
    """Whether this is the one process that speaks, of those of torchrun or alone."""
    return os.environ.get("RANK", "0") == "0"


@contextmanager
def processes() -> Iterator[None]:
    """Joins the other processes of torchrun, if there are any."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield
        return
    torch.distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield
    finally:
        torch.distributed.destroy_process_group()
