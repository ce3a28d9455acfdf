"""One run from crops to a folder with weights, facts, log and curves."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from threading import Event

import numpy as np
import torch

from reid import ReidError

from .camera import CameraBatches, held_out, with_recombined, with_rendered, with_teacher
from .datasets import Crop
from .errors import TrainingError
from .protocol import Split, split_identities
from .rates import RateBatches, camera_rate
from .recipe import Recipe
from .run import CURVES, FACTS, STATE, WEIGHTS, Run, save_weights, start, weights_at, with_digest
from .trainer import Source, Told, Trainer, train

SETTLED_ON = 8
"""Batches that the batch norms of an exported embedder get their figures from."""


def choose_device(device: str) -> torch.device:
    """``auto``, ``cpu``, ``cuda`` or ``cuda:1``; with torchrun, the process's own.

    Raises:
        TrainingError: when the device isn't there.
    """
    try:
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        if device == "cuda":
            device = f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
        chosen = torch.device(device)
        if chosen.type == "cuda":
            torch.cuda.set_device(chosen)
        elif chosen.type != "cpu":
            raise TrainingError(f"training runs on cpu or cuda, not on {device}")
    except (RuntimeError, AssertionError) as error:
        raise TrainingError(f"device {device} is not there: {error}") from error
    return chosen


@dataclass(frozen=True)
class Extras:
    """What the recipe ``camera`` trains with besides crops.

    Args:
        teacher: network to distil from. rendered: people to render. recombined: people to put
            together from others, of whom the teacher speaks.
    """

    teacher: Path | None = None
    rendered: int = 0
    recombined: int = 0


def fit(
    crops: Sequence[Crop],
    run: Run,
    out: Path,
    device: torch.device,
    told: Told | None = None,
    extras: Extras | None = None,
    stop: Event | None = None,
) -> None:
    """Trains on all of `crops` into the folder `out`; a finished run is left as it is.

    Args:
        stop: ends it after a step when set; what was done is kept, and the same call goes on.

    Raises:
        TrainingError: when `out` holds a run of other facts.
    """
    begun = Run.read(out) if (out / FACTS).exists() else None
    if begun and (
        replace(begun, init=run.init) != run
        or (run.init not in ("auto", begun.init) and with_digest(run.init) != begun.init)
    ):
        raise TrainingError(
            f"{out} holds a run with other settings ({_difference(begun, run)}); give another "
            "--out or remove it"
        )
    if (out / WEIGHTS).exists():
        return
    try:
        trainer = Trainer(run.recipe, _source(crops, run, out, device, extras), device)
        if begun is None or not (out / STATE).exists():
            begun = replace(run, init=_start(trainer, run.init))
    except ReidError as error:
        raise TrainingError(str(error)) from error
    if trainer.rank == 0:
        begun.write(out)
    train(trainer, out, told, stop)
    if trainer.rank == 0 and trainer.step_number == trainer.total:
        from .draw import draw_log  # matplotlib: `nearfar eval` and `export` need none

        save_weights(trainer.trained, out / WEIGHTS)
        draw_log(out, out / CURVES)


def _difference(begun: Run, run: Run) -> str:
    """Names of the settings in which two runs differ."""
    a, b = asdict(begun), asdict(run)
    names = [name for name in a["recipe"] if a["recipe"][name] != b["recipe"][name]]
    names += [name for name in a if name not in ("recipe", "init") and a[name] != b[name]]
    return ", ".join(names) or "init"


def _start(trainer: Trainer, init: str) -> str:
    """Gives the network its first weights; says what they are."""
    path = weights_at(init)
    if path.suffix != ".onnx":
        return start(trainer.network, init)
    from .exported import take_exported

    batches = (trainer.source.batch(step).to(trainer.device) for step in range(SETTLED_ON))
    take_exported(trainer.network, path, batches)
    return with_digest(init)


def _source(
    crops: Sequence[Crop], run: Run, out: Path, device: torch.device, extras: Extras | None
) -> Source:
    extras = extras or Extras()
    if not run.recipe.camera:
        if extras != Extras():
            raise TrainingError("only the recipe camera takes a teacher or people who never were")
        return RateBatches(crops, run.recipe, device, run.kernel)
    data = with_teacher(crops, extras.teacher, out.parent / "teacher")
    if extras.recombined:
        if extras.teacher is None:
            raise TrainingError("--recombined needs a --teacher, to say whom they are like")
        data = with_recombined(data, extras.recombined, extras.teacher, out.parent / "teacher")
    if extras.rendered:
        data = with_rendered(data, extras.rendered, extras.teacher, out.parent / "rendered")
    return CameraBatches(data, run.recipe)


def full_height(crops: Sequence[Crop]) -> float:
    """Median height in pixels of the pictures that the sharpest camera took."""
    return float(np.median([len(c.image) for c in crops if camera_rate(c) == 1]))


def split_of(name: str, crops: Sequence[Crop], run: Run) -> Split:
    """Who of a set a run was trained on, and who is left to test on.

    Raises:
        TrainingError: when it was trained on everybody of the set.
    """
    if run.split is None and name in run.sets:
        raise TrainingError(f"the run was trained on everybody of {name}: nobody is unseen")
    if not run.recipe.camera:
        return split_identities(crops, run.split or 0)
    seen = {c.identity for c in crops if not held_out(c)}
    return Split(0, tuple(sorted(seen)), tuple(sorted({c.identity for c in crops} - seen)))


def training_crops(sets: dict[str, list[Crop]], split: int | None, recipe: Recipe) -> list[Crop]:
    """The crops of each set that a split trains on; nobody trains on distractors.

    Args:
        sets: crops by name of the set. split: number, or None for all identities.
    """
    chosen: list[Crop] = []
    for every in sets.values():
        crops = [c for c in every if "/distractor/" not in c.identity]
        if split is None:
            chosen += crops
        elif recipe.camera:
            chosen += [c for c in crops if not held_out(c)]
        else:
            people = set(split_identities(crops, split).train)
            chosen += [c for c in crops if c.identity in people]
    return chosen
