"""The verbs of `training` on the command line; `nearfar` loads them when they are called."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from .errors import TrainingError
from .options import (
    Backbone,
    DeviceOption,
    Epochs,
    GalleryMasks,
    Height,
    Init,
    Json,
    Kernel,
    OneRun,
    OneSet,
    Persons,
    Rate,
    Seed,
    Sets,
    Sizes,
    Trials,
    numbers,
    read_manifest,
    read_one,
    read_sets,
    recipe_changes,
)


def train(
    sets: Sets,
    recipe: Annotated[str, typer.Option(help="paper, best or camera")] = "best",
    out: Annotated[Path, typer.Option(help="folder of the run")] = Path("runs/train"),
    split: Annotated[int, typer.Option(help="split of identities, for sets without one")] = 0,
    all_identities: Annotated[bool, typer.Option(help="train on everybody, no test")] = False,
    backbone: Backbone = None,
    height: Height = None,
    epochs: Epochs = None,
    persons: Persons = None,
    lr: Rate = None,
    sizes: Sizes = None,
    masks: Annotated[bool | None, typer.Option(help="resolution masks (III-C)")] = None,
    varying_length: Annotated[bool | None, typer.Option(help="varying length (III-B)")] = None,
    progressive: Annotated[
        bool | None, typer.Option(help="Algorithm 1, or all masks at once")
    ] = None,
    init: Init = "auto",
    kernel: Kernel = "area",
    teacher: Annotated[
        Path | None, typer.Option(help="OpenVINO .xml to distil from (recipe camera)")
    ] = None,
    rendered: Annotated[
        int, typer.Option(help="rendered people to add, in sixties (recipe camera)")
    ] = 0,
    recombined: Annotated[
        int, typer.Option(help="people to put together from others (recipe camera, --teacher)")
    ] = 0,
    small_until: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="share of the run with small pictures (recipe camera)"),
    ] = None,
    seed: Seed = 0,
    device: DeviceOption = "auto",
) -> None:
    """Train a network on labelled crops.

    Example: `nearfar train market=people --recipe best --backbone resnet18-half --height 128
    --epochs 20 --out runs/mine`

    A set is a folder or a tar in its usual naming; `market` is any folder of files named
    `<person>_c<camera>...jpg`. The same call again goes on after a stop. On several GPUs:
    `torchrun --nproc-per-node 2 $(which nearfar) train ...`
    """
    from .fit import Extras, choose_device, fit, full_height, training_crops
    from .progress import EpochBar, first_process, processes, stop_on_signal
    from .recipe import RECIPES
    from .run import WEIGHTS, Run

    changes = recipe_changes(
        recipe,
        height=height,
        sizes=sizes,
        backbone=backbone,
        epochs=epochs,
        persons=persons,
        lr=lr,
        masks=masks,
        varying_length=varying_length,
        progressive=progressive,
        small_until=small_until,
        seed=seed,
    )
    made = replace(RECIPES[recipe], **changes)
    chosen_device = choose_device(device)
    crops = training_crops(read_sets(sets), None if all_identities else split, made)
    run = Run(
        recipe=made,
        sets=tuple(entry.partition("=")[0] for entry in sets),
        split=None if all_identities else split,
        kernel=kernel,
        init=init,
        full_height=full_height(crops),
    )
    extras, ended_before = Extras(teacher, rendered, recombined), (out / WEIGHTS).exists()
    with processes(), stop_on_signal() as stop, EpochBar() as bar:
        fit(crops, run, out, chosen_device, bar.update, extras, stop)
    if stop.is_set() and not (out / WEIGHTS).exists():
        if first_process():
            typer.echo("stopped before the end; the same call again goes on from here", err=True)
        raise typer.Exit(130)
    if first_process() and ended_before:
        typer.echo(f"{out} holds a run that had ended: nothing was trained")
    elif first_process():
        typer.echo(
            f"{len(crops)} pictures of {len({c.identity for c in crops})} people, "
            f"first weights: {Run.read(out).init}; run in {out}"
        )


def evaluate(
    run: OneRun,
    dataset: OneSet,
    protocol: Annotated[
        str, typer.Option(help="mlr (section V-B) or market (the standard one)")
    ] = "mlr",
    trials: Trials = 10,
    rates: Annotated[str, typer.Option(help="rates of the queries (mlr)")] = "2,3,4",
    gallery: GalleryMasks = "own",
    kernel: Kernel = "area",
    seed: Seed = 0,
    manifest: Annotated[
        Path | None, typer.Option(help="evaluate as this earlier result did, or fail")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="file of the result, in the run if none")] = None,
    device: DeviceOption = "auto",
    as_json: Json = False,
) -> None:
    """Evaluate a trained network on people it has not seen.

    Example: `nearfar eval runs/mine market=people`

    Writes figures and a manifest (split, draws, rates, kernel) from which `--manifest` repeats the
    evaluation to the digit.
    """
    from .evaluation import NetworkMatcher, evaluate_market, evaluate_mlr
    from .fit import choose_device, split_of
    from .protocol import Protocol, check_manifest
    from .protocol import manifest as describe
    from .run import load_network, write_whole

    if protocol not in ("mlr", "market"):
        raise TrainingError(f"unknown protocol {protocol!r}; choose from mlr, market")
    network, facts = load_network(run)
    name, crops = read_one(dataset)
    split = split_of(name, crops, facts)
    chosen = Protocol(numbers(rates, "rates"), trials, kernel, seed, gallery)
    matcher = NetworkMatcher(network, facts.recipe, choose_device(device), kernel, gallery)
    made: dict[str, Any] = {"protocol": protocol, "recipe": asdict(facts.recipe)}
    if protocol == "mlr":
        made |= describe(name, crops, [split], chosen)
    if manifest:
        check_manifest(read_manifest(manifest), made)
    found = (
        evaluate_market(matcher, crops)
        if protocol == "market"
        else evaluate_mlr(matcher, crops, split, chosen)
    )
    result = {"figures": found.figures(), "manifest": made}
    file = out or run / f"eval-{name}-{protocol}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(file, json.dumps(result, indent=1) + "\n")
    if as_json:
        typer.echo(json.dumps(result, indent=2))
        return
    typer.echo("  ".join(f"{name} {value:.1f}" for name, value in found.figures().items()))
    typer.echo(f"figures and manifest in {file}")


def ablation(
    table: Annotated[
        str, typer.Argument(help="components, naive, losses, unseen, recipes or ingredients")
    ],
    dataset: OneSet,
    splits: Annotated[
        int, typer.Option(min=1, help="splits of identities, for sets without their own")
    ] = 10,
    recipe: Annotated[str, typer.Option(help="paper or best, for rows that name none")] = "paper",
    backbone: Backbone = None,
    height: Height = None,
    epochs: Epochs = None,
    persons: Persons = None,
    lr: Rate = None,
    sizes: Sizes = None,
    init: Init = "auto",
    trials: Trials = 10,
    gallery: GalleryMasks = "own",
    kernel: Kernel = "area",
    seed: Seed = 0,
    out: Annotated[Path, typer.Option(help="folder of the table and its runs")] = Path(
        "runs/tables"
    ),
    device: DeviceOption = "auto",
    as_json: Json = False,
) -> None:
    """Train and evaluate every row of a table of the paper.

    Example: `nearfar ablation components viper=viper.tar --backbone resnet18 --height 128
    --epochs 40 --splits 3`

    Tables: components (II), naive (III), losses (IV), unseen (V); recipes (paper beside best) and
    ingredients (best without each of its own). The same call again goes on after a stop; rows that
    tables share are trained once.
    """
    from .ablation import Study, markdown, summary
    from .fit import choose_device
    from .progress import EpochBar
    from .protocol import Protocol
    from .run import write_whole
    from .tables import TABLES

    if table not in TABLES:
        raise TrainingError(f"unknown table {table!r}; choose from {', '.join(TABLES)}")
    name, crops = read_one(dataset)
    changes = recipe_changes(
        recipe,
        height=height,
        sizes=sizes,
        backbone=backbone,
        epochs=epochs,
        persons=persons,
        lr=lr,
        seed=seed,
    )
    study = Study(
        name=name,
        crops=crops,
        base=recipe,
        changes=changes,
        protocol=Protocol(trials=trials, kernel=kernel, seed=seed, gallery=gallery),
        init=init,
        out=out,
        device=choose_device(device),
    )
    drawn = study.splits(splits)
    figures = {}
    for row in TABLES[table]:
        with EpochBar() as bar:
            figures[row.name] = summary([study.figures(row, s, bar.update) for s in drawn])
        if not as_json:
            typer.echo(f"{row.name}: rank 1 {figures[row.name]['rank1']:.1f}")
    result = {"table": table, "rows": figures, "manifest": study.manifest(drawn)}
    file = out / f"{table}-{name}.json"
    write_whole(file, json.dumps(result, indent=1) + "\n")
    write_whole(file.with_suffix(".md"), markdown(TABLES[table], name, figures))
    if as_json:
        typer.echo(json.dumps(result, indent=2))
    else:
        typer.echo(f"table in {file.with_suffix('.md')}, figures and manifest in {file}")


def figures(
    run: OneRun,
    dataset: OneSet,
    out: Annotated[Path, typer.Option(help="folder of the PNGs")] = Path("figures"),
    device: DeviceOption = "auto",
) -> None:
    """Draw what a trained network does with people it has not seen.

    Example: `nearfar figures runs/mine market=people --out figures`

    Ranked galleries by resolution of the query, t-SNE by person and by resolution, CMC curves,
    distances of same and different people by pair of levels, values of the masks. They show the
    people of the set: keep them where the set is kept.
    """
    from .draw import draw
    from .fit import choose_device, split_of
    from .run import Run

    name, crops = read_one(dataset)
    split = split_of(name, crops, Run.read(run))
    for file in draw(run, crops, split, out, choose_device(device)):
        typer.echo(str(file))
