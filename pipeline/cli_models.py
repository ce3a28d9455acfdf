"""The verb `models`: what is installed, and whether a file of one's own can be used."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .cli_options import DeviceOption, Json
from .terminal import one_line_errors, print_json

if TYPE_CHECKING:
    from .installed import Model


def add_to(app: typer.Typer) -> None:
    """Adds the verb to the command `nearfar`."""
    app.command()(models)


def models(
    embedder: Annotated[Path | None, typer.Option(help="embedder of your own")] = None,
    detector: Annotated[Path | None, typer.Option(help="detector of your own")] = None,
    device: DeviceOption = "auto",
    as_json: Json = False,
) -> None:
    """Say which embedder and detector run, and how good they were found to be.

    Example: `nearfar models --embedder mine.onnx`

    Figures come from the files: retrieval of people that the embedder has not seen, in percent by
    height of the query in pixels; average precision of the detector by height of the person.
    A file that can't be used is refused.
    """
    with one_line_errors():
        from .installed import installed

        found = installed(embedder, detector, device)
    if as_json:
        print_json({model.kind: model.to_json() for model in found})
        return
    for model in found:
        typer.echo("\n".join(_lines(model)))


def _lines(model: Model) -> list[str]:
    """What a person wants to read of a model."""
    lines = [f"{model.kind}: {model.name}", f"  file          {model.file}"]
    rows: dict[str, str] = {
        "size": f"{model.bytes / 1e6:.1f} MB",
        "fingerprint": model.fingerprint,
        "computes in": model.precision,
        "levels, px": ", ".join(map(str, model.levels)),
        "input, px": " x ".join(map(str, model.input or ())),
    }
    rows |= {
        title: _figure(model.figures[key]) for key, title in TITLES.items() if key in model.figures
    }
    lines += [f"  {title:<13} {value}" for title, value in rows.items() if value]
    if not model.figures:
        lines.append("  no figures in the file")
    return lines


TITLES = {
    "people": "measured on",
    "rank1": "rank 1, %",
    "mAP": "mAP, %",
    "calibration_error": "calibr. error",
    "frames": "measured on",
    "AP50": "AP50",
    "recall": "recall",
    "precision": "precision",
}
"""Figures that are shown, and what they are called."""


def _figure(value: Any) -> str:
    """A figure, or figures by name; those by height of the query from the sharpest down."""
    if not isinstance(value, Mapping):
        return str(value)
    names = list(value)
    if "native" in names:
        names.sort(key=lambda name: int(name) if name.isdigit() else 10_000, reverse=True)
    return ", ".join(f"{name} {value[name]}" for name in names)
