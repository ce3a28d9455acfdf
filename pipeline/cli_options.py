"""What commands share: options, and how a gallery is opened."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .terminal import one_line_errors

if TYPE_CHECKING:
    from storage import Gallery

Place = Annotated[str, typer.Argument(help="path or URL of the gallery")]
PlaceOption = Annotated[str, typer.Option("--gallery", help="path or URL of the gallery")]
Json = Annotated[bool, typer.Option("--json", help="print one JSON object")]
HERE = "nearfar.db"
DeviceOption = Annotated[str, typer.Option(help="auto, cpu or cuda")]
EmbedderOption = Annotated[Path | None, typer.Option(help="embedder weights, the own ones if none")]
DetectorOption = Annotated[
    Path | None,
    typer.Option(
        help="detector weights: any ultralytics model or ONNX export, or person-int8, which comes "
        "along and is faster on a CPU"
    ),
]


@contextmanager
def opened_gallery(place: str, *, read_only: bool = False) -> Iterator[Gallery]:
    """The gallery at `place`; what goes wrong becomes one line and an exit status."""
    with one_line_errors():
        from storage import Gallery

        with Gallery.open(place, read_only=read_only) as gallery:
            yield gallery
