"""Calibrates the embedder that ships and writes it in 8 bits, without training it again.

    python -m training.packaged reid/weights/embedder.onnx viper=viper.tar ... \
        --diagram docs/reliability.png

People are those that recipe ``camera`` leaves out; the scales of the 8 bits come from the others.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reid import ReidError

from .camera import held_out
from .errors import TrainingError
from .export_verb import finish
from .figures import reliability_diagram
from .options import read_sets


def main(
    file: Annotated[Path, typer.Argument(help="embedder, written anew")],
    sets: Annotated[list[str], typer.Argument(help="name=path of the sets")],
    diagram: Annotated[Path | None, typer.Option(help="PNG of the reliability diagram")] = None,
) -> None:
    """Measure, calibrate, quantise."""
    crops = read_sets(sets)
    card = finish(
        file,
        unseen={name: [c for c in of_set if held_out(c)] for name, of_set in crops.items()},
        seen=[c for of_set in crops.values() for c in of_set if not held_out(c)],
    )
    if diagram and card:
        reliability_diagram(diagram, card.diagram)


if __name__ == "__main__":
    try:
        typer.run(main)
    except (TrainingError, ReidError) as problem:
        raise SystemExit(f"training.packaged: {problem}") from None
