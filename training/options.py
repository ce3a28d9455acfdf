"""Options that verbs share, and what their texts mean."""

from __future__ import annotations

import json
from math import inf
from pathlib import Path
from typing import Annotated, Any

import typer

from .errors import TrainingError

Sets = Annotated[
    list[str], typer.Argument(help="name=path of a folder or tar: market1501, cuhk03, market, ...")
]
OneSet = Annotated[str, typer.Argument(metavar="SET", help="name=path of a folder or tar")]
OneRun = Annotated[Path, typer.Argument(help="folder of a run of nearfar train")]
Backbone = Annotated[str | None, typer.Option(help="resnet50, resnet18 or resnet18-half")]
Height = Annotated[int | None, typer.Option(min=32, help="of the input in px; half as wide")]
Epochs = Annotated[int | None, typer.Option(min=1, help="over all stages")]
Persons = Annotated[int | None, typer.Option(min=2, help="people in a batch")]
Rate = Annotated[float | None, typer.Option(help="peak learning rate")]
Sizes = Annotated[
    str | None, typer.Option(help="sub-vector sizes, lowest level first: 128,128,128,128")
]
Init = Annotated[
    str, typer.Option(help="first weights: auto, imagenet, random, packaged, a run, a file")
]
GalleryMasks = Annotated[
    str, typer.Option(help="masks of the gallery: its own level's, or the query's (mlr)")
]
Trials = Annotated[int, typer.Option(min=1, help="draws that are averaged (mlr)")]
Json = Annotated[bool, typer.Option("--json", help="print one JSON object")]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu or cuda")]
Kernel = Annotated[str, typer.Option(help="how pictures are shrunk: area, bilinear or cubic")]
Seed = Annotated[int, typer.Option(help="of everything random")]


def read_sets(entries: list[str]) -> dict[str, Any]:
    """Crops by name of the set, of ``name=path`` entries."""
    from .datasets import read_set

    sets = {}
    for entry in entries:
        name, equals, path = entry.partition("=")
        if not equals:
            raise TrainingError(f"a set is given as name=path, like market=people; got {entry!r}")
        if name in sets:
            raise TrainingError(f"{name} is given twice: put the pictures of the two in one folder")
        sets[name] = read_set(name, Path(path))
    return sets


def read_one(entry: str) -> tuple[str, Any]:
    """Name and crops of one ``name=path`` entry."""
    return next(iter(read_sets([entry]).items()))


def recipe_changes(
    name: str, *, height: int | None, sizes: str | None, **others: Any
) -> dict[str, Any]:
    """What the command line changes of a recipe, which must exist; None changes nothing.

    A smaller backbone brings shorter sub-vectors with it.
    """
    from .recipe import RECIPES, SMALL

    if name not in RECIPES:
        raise TrainingError(f"unknown recipe {name!r}; choose from {', '.join(RECIPES)}")
    lr, small = others.get("lr"), others.get("small_until")
    if lr is not None and not 0 < lr < inf:
        raise TrainingError(f"a learning rate is a number above 0, got {lr:g}")
    if small is not None and not RECIPES[name].camera:
        raise TrainingError("--small-until is for the recipe camera")
    if height:
        others["size"] = (height, height // 2)
    if sizes:
        others["sizes"] = tuple(int(n) for n in numbers(sizes, "sub-vector sizes"))
    elif others["backbone"] in SMALL:
        others["sizes"] = (128,) * len(RECIPES[name].rates)
    return {k: v for k, v in others.items() if v is not None}


def numbers(text: str, what: str) -> tuple[float, ...]:
    """Numbers of 1 or more as given on the command line, with commas between."""
    try:
        found = tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise TrainingError(f"{what} are numbers like 2,3,4; got {text!r}") from error
    if not min(found) >= 1:
        raise TrainingError(f"{what} are 1 or more; got {text!r}")
    return found


def read_manifest(file: Path) -> dict[str, Any]:
    """The manifest of an earlier result."""
    try:
        return dict(json.loads(file.read_text())["manifest"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TrainingError(
            f"{file} is no result of nearfar eval ({error}); give the file that it wrote"
        ) from error
