"""The verb `nearfar export`, and what makes a calibrated embedder of an ONNX file."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import onnx
import typer

from reid import FALSE_MATCH_RATES, Embedder

from .by_height import label
from .card import Card, measure
from .datasets import Crop
from .errors import TrainingError
from .export import describe, write_info, write_onnx
from .options import OneRun, read_sets
from .quantise import quantise

INT8 = "-int8.onnx"
"""How the name of a file in 8 bits ends."""


def export(
    run: OneRun,
    sets: Annotated[
        list[str] | None, typer.Argument(help="name=path of sets whose unseen people calibrate it")
    ] = None,
    out: Annotated[Path, typer.Option(help="ONNX file to write")] = Path("embedder.onnx"),
    name: Annotated[str, typer.Option(help="name of the model")] = "nearfar-embedder",
    int8: Annotated[
        bool, typer.Option("--int8", help="also write NAME-int8.onnx, faster on CPUs")
    ] = False,
) -> None:
    """Write a trained network as ONNX, for `nearfar process --embedder`.

    Example: `nearfar export runs/mine market=people --out mine.onnx`

    Inputs are pictures and their levels, of any number; levels, sub-vectors, calibration and
    fingerprint are in its metadata. People that the run has not seen calibrate the scores, give
    thresholds for false matches, and figures by height; without a set the scores are no
    probabilities. For int8, people it was trained on set the scales.
    """
    from .calibrate import flat_calibration
    from .fit import split_of
    from .run import load_network

    if int8 and not sets:
        raise TrainingError("--int8 needs a set, whose training people set its scales")
    network, facts = load_network(run)
    seen: list[Crop] = []
    unseen = {}
    for set_name, crops in read_sets(sets or []).items():
        split = split_of(set_name, crops, facts)
        tested, trained = set(split.test), set(split.train)
        unseen[set_name] = [c for c in crops if c.identity in tested]
        seen += [c for c in crops if c.identity in trained]
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=out.parent, prefix=f".{out.stem}-") as folder:
        part = Path(folder) / out.name
        write_onnx(network, facts.recipe, part)
        describe(part, name, facts, flat_calibration(len(facts.recipe.sizes)))
        finish(part, unseen, seen if int8 else [])
        for file in Path(folder).iterdir():
            file.replace(out.with_name(file.name))


def finish(
    path: Path, unseen: Mapping[str, Sequence[Crop]], seen: Sequence[Crop] = ()
) -> Card | None:
    """Calibrates an exported file on people it has not seen, and says how good it is.

    Args:
        path: the file, described already. unseen: crops by name of the set, maybe none.
        seen: of people it was trained on; with some, a file in 8 bits is written beside it.

    Returns:
        What was measured; None without anybody unseen.
    """
    embedder = Embedder.load(path, "cpu")
    info, card = embedder.info, None
    if unseen:
        card = measure(embedder, unseen)
        info = replace(info, calibration=card.calibration, figures=card.figures())
        write_info(onnx.load(path), info, path)
    typer.echo(f"{info.name} {info.fingerprint}: {path.name}, {path.stat().st_size / 1e6:.1f} MB")
    if seen:
        small = path.with_name(path.stem + INT8)
        quantise(path, small, seen)
        typer.echo(f"in 8 bits: {small.name}, {small.stat().st_size / 1e6:.1f} MB")
    if card:
        _tell(card)
    return card


def _tell(card: Card) -> None:
    for set_name, figures in card.by_set.items():
        row = "  ".join(
            f"{label(height)} {f.rank1:.1f}/{f.mean_precision:.1f}" for height, f in figures.items()
        )
        typer.echo(f"{set_name}, rank 1 / mAP by height of the query in px: {row}")
    if card.diagram:
        row = "  ".join(f"{i}-{j} {r.error:.3f}" for (i, j), r in card.diagram.items())
        typer.echo(f"calibration error a level pair, half of the people for the fit: {row}")
    if card.false_matches:
        rates = " / ".join(f"1 in {1 / rate:g}" for rate in FALSE_MATCH_RATES)
        typer.echo(f"false matches in 10,000 at the thresholds for {rates}, likewise:")
        for (i, j), shares in card.false_matches.items():
            typer.echo(f"  {i}-{j} " + " / ".join(map(_ten_thousandths, shares)))
    if card.other_set:
        row = "  ".join(f"{name} {error:.3f}" for name, error in card.other_set.items())
        typer.echo(f"calibration error on a set when the others are fitted on: {row}")


def _ten_thousandths(share: float) -> str:
    return "unknown" if math.isnan(share) else f"{1e4 * share:.1f}"
