"""The command `nearfar`."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from .cli_calibrate import add_to as add_calibrate_verb
from .cli_gallery import app as gallery_app
from .cli_jobs import add_to as add_jobs_verb
from .cli_live import add_to as add_live_verbs
from .cli_models import add_to as add_models_verb
from .cli_options import DetectorOption, DeviceOption, EmbedderOption, Json, PlaceOption
from .cli_tracks import add_to as add_track_verbs
from .errors import CallError
from .terminal import (
    CameraBars,
    one_line_errors,
    parse_box,
    parse_time,
    print_json,
    say,
    stop_on_signal,
)

HELP = {"help_option_names": ["-h", "--help"]}
app = typer.Typer(
    name="nearfar",
    help="Recognise a person across cameras although they see them at very different sizes.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings=HELP,
)
site_app = typer.Typer(help="Check site files.", no_args_is_help=True)
app.add_typer(gallery_app, name="gallery")
app.add_typer(site_app, name="site")
add_track_verbs(app)
add_jobs_verb(app)
add_live_verbs(app)
add_models_verb(app)
add_calibrate_verb(app)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"nearfar {version('nearfar')}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="print the version")
    ] = False,
) -> None:
    pass


@app.command()
def process(
    sources: Annotated[
        list[str] | None, typer.Argument(help="video, picture folder or glob: path or camera=path")
    ] = None,
    site: Annotated[Path | None, typer.Option(help="site file with cameras and starts")] = None,
    gallery: PlaceOption = "nearfar.db",
    out: Annotated[Path, typer.Option(help="folder for tables, report and videos")] = Path("out"),
    detector: DetectorOption = None,
    embedder: EmbedderOption = None,
    device: DeviceOption = "auto",
    fps: Annotated[float | None, typer.Option(min=0.01, help="frames a second to look at")] = None,
    save_video: Annotated[bool, typer.Option(help="write annotated H.264 videos")] = False,
    ray: Annotated[
        str | None, typer.Option(help="address of a Ray cluster that does the work, or local")
    ] = None,
    as_json: Json = False,
) -> None:
    """Find and link the people of several recordings.

    Example: `nearfar process gate=gate.mp4 hall=hall.mp4 --out out`

    Writes `<camera>.txt` (MOTChallenge, identity as id), `identities.csv` and `report.html` to the
    folder, and everything to the gallery. Ctrl-C stops cleanly; the same call again goes on.
    """
    from .processing import process as run
    from .settings import Settings

    with one_line_errors(), stop_on_signal() as stop, CameraBars(quiet=as_json) as bars:
        result = run(
            sources or [],
            gallery,
            out,
            site=site,
            detector=detector,
            embedder=embedder,
            device=device,
            settings=Settings(fps=fps),
            save_video=save_video,
            ray=ray,
            progress=bars.update,
            stop=stop,
            tell=say,
        )
    crossing = sum(len(i.cameras) > 1 for i in result.identities)
    rate = result.tally.frames / result.seconds
    failed = False
    seen = {camera for one in result.identities for camera in one.cameras}
    for c in result.cameras:
        if c.read_before:
            say(
                f"{c.camera}: read to its end by an earlier run, so not again; other settings, or "
                "what was removed since, need another gallery"
            )
        if c.camera not in seen and c.frames:
            say(f"{c.camera}: nobody was seen in {c.frames} frames")
        if c.lost:
            say(f"{c.camera}: {c.lost} frames were missing or damaged")
        if c.failure:
            failed = True
            say(f"{c.camera}: ended after {c.frames} frames: {c.failure}")
    if as_json:
        print_json(
            {
                "cameras": {
                    c.camera: {
                        "frames": c.frames,
                        "lost": c.lost,
                        "failure": c.failure,
                        "read_before": c.read_before,
                    }
                    for c in result.cameras
                },
                "frames": result.tally.frames,
                "seconds": round(result.seconds, 2),
                "identities": len(result.identities),
                "in_several_cameras": crossing,
                "complete": all(c.done for c in result.cameras),
                "report": str(result.report),
            }
        )
    else:
        typer.echo(
            f"{result.tally.frames} frames in {result.seconds:.1f} s ({rate:.1f}/s); "
            f"{len(result.identities)} identities, {crossing} in two cameras or more"
        )
        typer.echo(f"open {result.report}")
    if failed:
        raise typer.Exit(1)
    if not all(c.done for c in result.cameras):
        say("stopped before the end; the same call again goes on from here")
        raise typer.Exit(130)


@app.command()
def search(
    images: Annotated[
        list[Path], typer.Argument(help="a person's crop, or a whole frame; several: one each")
    ],
    box: Annotated[str | None, typer.Option(help="x,y,w,h of the person in the frame")] = None,
    height: Annotated[
        float | None, typer.Option(help="the person's true height in px, if enlarged")
    ] = None,
    gallery: PlaceOption = "nearfar.db",
    camera: Annotated[str | None, typer.Option(help="look in this camera only")] = None,
    after: Annotated[
        str | None, typer.Option(help="seen at or after, like 2026-01-31T08:00Z")
    ] = None,
    before: Annotated[str | None, typer.Option(help="seen at or before")] = None,
    top: Annotated[int, typer.Option(min=1, help="identities at most")] = 10,
    out: Annotated[Path | None, typer.Option(help="write the answer as a page, PAGE.html")] = None,
    detector: DetectorOption = None,
    embedder: EmbedderOption = None,
    device: DeviceOption = "auto",
    ray: Annotated[
        str | None, typer.Option(help="address of the Ray cluster that the gallery is spread over")
    ] = None,
    as_json: Json = False,
) -> None:
    """Search the gallery for the person in a picture.

    Example: `nearfar search crop.jpg --top 5 --out answer.html`

    Several pictures are of several persons: there is an answer for each, and the gallery is read
    once for all.
    """
    with one_line_errors():
        if len(images) > 1 and (box or height or out):
            raise CallError("--box, --height and --out are for one picture: search them one by one")
        place, since, until = parse_box(box), parse_time(after), parse_time(before)
        from reid import Embedder

        from .answers import answer_json, print_answer
        from .query import open_to_search, read_picture, search_many, write_page

        pictures = [read_picture(image) for image in images]
        eyes = None
        if detector:
            from .detect import Detector

            eyes = Detector.load(detector, device)
        model = Embedder.load(embedder, device)
        with ExitStack() as stack:
            opened = stack.enter_context(open_to_search(gallery, model.info))
            if ray:
                from .cluster.holding import where_it_lies

                opened = stack.enter_context(where_it_lies(ray, gallery, opened))
            answers = search_many(
                pictures,
                opened,
                model,
                detector=eyes,
                box=place,
                height=height,
                camera=camera,
                after=since,
                before=until,
                top=top,
            )
            if out:
                write_page(out, answers[0], opened)
    if len(images) > 1 and as_json:
        told = zip(images, answers, strict=True)
        print_json({"answers": [{"picture": str(p), **answer_json(a)} for p, a in told]})
    elif as_json:
        print_json(answer_json(answers[0]))
    else:
        for image, answer in zip(images, answers, strict=True):
            if len(images) > 1:
                typer.echo(str(image))
            print_answer(answer)
        if out:
            typer.echo(f"open {out}")


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="folder for the scene and the results")] = Path("demo"),
    as_json: Json = False,
) -> None:
    """Render a scene with known answers, process it and search it.

    Example: `nearfar demo --out demo`
    """
    from .demo import QUERIES
    from .demo import demo as run

    with one_line_errors(), CameraBars(quiet=as_json) as bars:

        def told(line: str) -> None:
            bars.clear()
            if not as_json:
                say(line)

        result = run(out, bars.update, told)
    if as_json:
        print_json(result.to_json())
        return
    typer.echo("detection recall at IoU 0.5, people at least half visible:")
    for camera, recall in result.detection_recall.items():
        typer.echo(f"  {camera:<8} {recall:.3f}")
    typer.echo(f"IDF1 over all cameras, one space of identities: {result.idf1:.3f}")
    typer.echo(f"far people found near at rank 1: {result.search_rank1} of {QUERIES}")
    typer.echo(f"{result.seconds:.0f} s; open {result.report} and {result.search_page}")


@site_app.command("check")
def site_check(file: Annotated[Path, typer.Argument(help="the site file")]) -> None:
    """Check a site file; say line and key of what is wrong.

    Example: `nearfar site check site.yaml`
    """
    with one_line_errors():
        from .site import read_site
        from .sources import find_sources

        site = read_site(file)
        recordings = [f"{name}={file.parent / s}" for name, s in site.recordings.items()]
        find_sources(recordings, site.starts)
    typer.echo(
        f"{file}: {len(site.cameras)} cameras, {len(site.overlaps or [])} overlaps, "
        f"{len(site.travel)} travel times"
    )


ELSEWHERE = {
    "train": ("training.verbs", "train", "Train a network on labelled crops."),
    "eval": ("training.verbs", "evaluate", "Evaluate a trained network on unseen people."),
    "ablation": ("training.verbs", "ablation", "Train and evaluate every row of a table."),
    "export": ("training.export_verb", "export", "Write a trained network as ONNX."),
    "figures": ("training.verbs", "figures", "Draw what a trained network does."),
    "serve": ("console.verbs", "serve", "Open a gallery in the browser."),
    "users": ("console.verbs", "users", "Add, list and remove accounts of the console."),
}
"""Verbs of other packages: module and function, loaded when they are called, and what they do."""


def _lazily(verb: str) -> None:
    module, function, summary = ELSEWHERE[verb]

    @app.command(
        verb,
        help=summary,
        add_help_option=False,
        context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    )
    def forward(context: typer.Context) -> None:
        with one_line_errors():
            try:
                loaded = getattr(import_module(module), function)
            except ImportError as error:
                raise CallError(
                    f"{verb} needs what pip install 'nearfar[train]' installs ({error})"
                ) from error
            inner = loaded
            if not isinstance(loaded, typer.Typer):
                inner = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode="markdown")
                inner.command(context_settings=HELP)(loaded)
            command = typer.main.get_command(inner)
            ended = command.main(context.args, prog_name=f"nearfar {verb}", standalone_mode=False)
            if isinstance(ended, int) and ended:
                raise typer.Exit(ended)


for _verb in ELSEWHERE:
    _lazily(_verb)


def main() -> None:
    """Entry point; Ctrl-C outside a run ends quietly with status 130."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
