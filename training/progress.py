"""The progress bar of a training run, and the processes that share one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

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


class EpochBar:
    """Steps, losses of the last epoch and time left; on standard error, on terminals only."""

    def __init__(self, title: str = "training") -> None:
        console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
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
        losses = " ".join(
            f"{name} {value:.3f}"
            for name, value in row.items()
            if name not in ("epoch", "stage", "lr")
        )
        if row:
            losses = f"epoch {row['epoch']:.0f} stage {row['stage']:.0f} {losses}"
        self._progress.update(self._task, completed=step, total=total, losses=losses)


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
