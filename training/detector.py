"""Trains and exports the person detector that ships with the project.

    python -m training.detector start START.pt --coco yolo11n_int8_openvino_model
    python -m training.detector train SET START.pt --out RUN
    python -m training.detector export START.pt RUN/last.pt person.onnx
    python -m training.detector quantise person.onnx person-int8.onnx campus_cam1.webm ...
    python -m training.detector note person.onnx MEASURED.json

`train` keeps `RUN/last.pt` fresh (the averaged network, a checkpoint that ultralytics opens too)
and goes on from `RUN/state.pt` when it is called again.
"""

from __future__ import annotations

import math
import pickle
import time
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import cv2
import torch
import typer
from torch import nn
from ultralytics.utils.loss import v8DetectionLoss

from .detector_compose import Composer, Picture
from .detector_data import read_video
from .detector_export import blend, note_figures, write_int8, write_onnx
from .detector_start import recover_person_network
from .errors import TrainingError

BACKBONE_LAYERS = 11
FROZEN_LAYERS = 3
SAVE_EVERY = 50

app = typer.Typer(add_completion=False, help=__doc__)


class ForgivingBCE(nn.Module):
    """Binary cross-entropy that counts nothing on background inside doubtful regions."""

    def __init__(self) -> None:
        super().__init__()
        self._plain = nn.BCEWithLogitsLoss(reduction="none")
        self.doubtful: torch.Tensor | None = None

    def forward(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Loss `(B, A, C)` of `logits` against `targets`; `doubtful` is `bool (B, A)`."""
        loss = self._plain(logits, targets)
        if self.doubtful is None:
            return loss
        forgiven = self.doubtful[..., None] & (targets.sum(dim=2, keepdim=True) == 0)
        return loss.masked_fill(forgiven, 0.0)


@app.command()
def start(
    out: Annotated[Path, typer.Argument(help="Checkpoint to write.")],
    coco: Annotated[Path, typer.Option(help="Int8 OpenVINO export of YOLO11n.")],
) -> None:
    """Write the one-class network that training starts from."""
    save(recover_person_network(coco), out)


@app.command()
def train(
    folder: Annotated[Path, typer.Argument(metavar="SET", help="Folder of the training set.")],
    begin: Annotated[Path, typer.Argument(metavar="START", help="Checkpoint to start from.")],
    out: Annotated[Path, typer.Option(help="Folder of the run.")],
    steps: Annotated[int, typer.Option(min=1)] = 1500,
    batch: Annotated[int, typer.Option(min=1)] = 16,
    rate: Annotated[float, typer.Option(help="Highest learning rate.")] = 2e-4,
    threads: Annotated[int, typer.Option(min=1)] = 1,
    seed: Annotated[int, typer.Option()] = 0,
) -> None:
    """Fine-tune the network on pictures composed from the set."""
    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)
    torch.manual_seed(seed)
    network = load(begin).train()
    for parameter in network.parameters():
        parameter.requires_grad_(True)
    for layer in network.model[:FROZEN_LAYERS]:
        layer.requires_grad_(False)
    averaged: Any = torch.optim.swa_utils.AveragedModel(
        network, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.995)
    )
    optimizer = torch.optim.AdamW(_parts(network), weight_decay=1e-4)
    criterion: Any = v8DetectionLoss(network)
    criterion.bce = ForgivingBCE()
    out.mkdir(parents=True, exist_ok=True)
    state = out / "state.pt"
    first = 0
    if state.exists():
        kept = torch.load(state, weights_only=True)
        first = kept["step"]
        for part, name in ((network, "network"), (averaged, "averaged"), (optimizer, "optimizer")):
            part.load_state_dict(kept[name])
    composer = Composer(folder, seed=seed + first)
    clock, mean = time.monotonic(), torch.zeros(3)
    for step in range(first, steps):
        pictures = [composer.picture() for _ in range(batch)]
        inputs, targets = collate(pictures)
        criterion.bce.doubtful = doubtful_anchors(pictures, [int(s) for s in criterion.stride])
        loss, parts = criterion(network(inputs), targets)
        for group in optimizer.param_groups:
            group["lr"] = rate * group["factor"] * pace(step, steps)
        optimizer.zero_grad()
        (loss.sum() / batch).backward()
        nn.utils.clip_grad_norm_(network.parameters(), 10.0)
        optimizer.step()
        averaged.update_parameters(network)
        mean += torch.stack(list(parts.values())).cpu()
        if (step + 1) % SAVE_EVERY == 0 or step + 1 == steps:
            save(averaged.module, out / "last.pt")
            kept = {"step": step + 1, "network": network.state_dict()}
            kept |= {"averaged": averaged.state_dict(), "optimizer": optimizer.state_dict()}
            torch.save(kept, part := out / "state.part")
            part.replace(state)
            counted = min(step % SAVE_EVERY, step - first) + 1
            values = " ".join(f"{x:.3f}" for x in (mean / counted).tolist())
            typer.echo(f"step {step + 1} box cls dfl {values} {time.monotonic() - clock:.0f} s")
            mean.zero_()


@app.command()
def export(
    begin: Annotated[Path, typer.Argument(metavar="START", help="Checkpoint of the start.")],
    trained: Annotated[Path, typer.Argument(help="Checkpoint of the run.")],
    out: Annotated[Path, typer.Argument(help="ONNX file to write.")],
    share: Annotated[float, typer.Option(min=0, max=1, help="Share of the trained weights.")] = 1.0,
) -> None:
    """Blend the trained network with its start, and write it as ONNX."""
    write_onnx(blend(load(begin), load(trained), share), out)


@app.command()
def quantise(
    file: Annotated[Path, typer.Argument(help="ONNX file of the detector.")],
    out: Annotated[Path, typer.Argument(help="ONNX file to write.")],
    videos: Annotated[list[Path], typer.Argument(help="Recordings, of which frames are seen.")],
    step: Annotated[int, typer.Option(min=1, help="Every so many frames.")] = 12,
    most: Annotated[int, typer.Option(min=1, help="Frames of each at most.")] = 12,
) -> None:
    """Write it with convolutions in 8 bits, for CPUs."""
    write_int8(file, out, (f for v in videos for f in islice(read_video(v), 0, step * most, step)))


@app.command()
def note(
    file: Annotated[Path, typer.Argument(help="ONNX file of the detector.")],
    measured: Annotated[Path, typer.Argument(help="What benchmarks/detector.py --json printed.")],
    row: Annotated[str | None, typer.Option(help="Its row; the first if not said.")] = None,
) -> None:
    """Write what was measured into the file, for `nearfar models`."""
    note_figures(file, measured, row)


def collate(pictures: list[Picture]) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Pictures as network input `float32 (B, 3, H, W)`, RGB 0..1, and ultralytics' targets."""
    images = torch.stack([torch.from_numpy(p.image[..., ::-1].copy()) for p in pictures])
    inputs = images.permute(0, 3, 1, 2).float() / 255
    height, width = inputs.shape[2:]
    corners = torch.cat([torch.from_numpy(p.boxes) for p in pictures])
    centres = (corners[:, :2] + corners[:, 2:]) / 2
    boxes = torch.cat([centres, corners[:, 2:] - corners[:, :2]], dim=1)
    counts = torch.tensor([len(p.boxes) for p in pictures])
    targets = {
        "batch_idx": torch.arange(len(pictures)).repeat_interleave(counts).float(),
        "cls": torch.zeros(len(boxes)),
        "bboxes": boxes / torch.tensor([width, height, width, height]),
    }
    return inputs, targets


def doubtful_anchors(pictures: list[Picture], strides: list[int]) -> torch.Tensor:
    """Which anchor points lie in doubtful regions: `bool (B, A)`, in the network's order."""
    height, width = pictures[0].image.shape[:2]
    rows = []
    for picture in pictures:
        levels = []
        for stride in strides:
            mask = torch.zeros(height // stride, width // stride, dtype=torch.bool)
            for box in picture.doubtful:
                x1, y1, x2, y2 = (round(float(v) / stride) for v in box)
                mask[max(y1, 0) : max(y2, y1 + 1), max(x1, 0) : max(x2, x1 + 1)] = True
            levels.append(mask.flatten())
        rows.append(torch.cat(levels))
    return torch.stack(rows)


def load(path: Path) -> Any:
    """Open a checkpoint of this module; raises TrainingError if it isn't one."""
    try:
        return torch.load(path, map_location="cpu", weights_only=False)["model"].float()
    except (OSError, RuntimeError, LookupError, TypeError, AttributeError, EOFError) as error:
        raise TrainingError(f"{path} is no detector checkpoint ({error})") from error
    except pickle.UnpicklingError as error:
        raise TrainingError(f"{path} is no detector checkpoint: give one of this module") from error


def save(network: Any, path: Path) -> None:
    """Write a checkpoint that ultralytics opens too."""
    torch.save({"model": network, "train_args": {}}, path)


def pace(step: int, steps: int) -> float:
    """Share of the highest learning rate: a short rise, then half a cosine down."""
    rise = max(1, steps // 16)
    if step < rise:
        return (step + 1) / rise
    return 0.01 + 0.99 * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise))) / 2


def _parts(network: Any) -> list[dict[str, Any]]:
    """Optimiser groups: the backbone learns at a third of the rate of neck and head."""
    backbone, rest = network.model[:BACKBONE_LAYERS], network.model[BACKBONE_LAYERS:]
    return [
        {"params": [p for p in layers.parameters() if p.requires_grad], "factor": factor}
        for layers, factor in ((backbone, 0.3), (rest, 1.0))
    ]


if __name__ == "__main__":
    try:
        app(standalone_mode=True)
    except TrainingError as problem:
        raise SystemExit(f"training.detector: {problem}") from None
