"""The command `nearfar`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from .cli_tracks import add_to as add_track_verbs
from .terminal import CameraBars, one_line_errors, parse_box, parse_time, say, stop_on_signal

app = typer.Typer(
    name="nearfar",
    help="Recognise a person across cameras although they see them at very different sizes.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)
gallery_app = typer.Typer(help="Look into a gallery.", no_args_is_help=True)
site_app = typer.Typer(help="Check site files.", no_args_is_help=True)
app.add_typer(gallery_app, name="gallery")
app.add_typer(site_app, name="site")
add_track_verbs(app)

GalleryOption = Annotated[str, typer.Option("--gallery", help="path or URL of the gallery")]
JsonOption = Annotated[bool, typer.Option("--json", help="print one JSON object")]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu or cuda")]
EmbedderOption = Annotated[Path | None, typer.Option(help="embedder weights, the own ones if none")]
DetectorOption = Annotated[
    Path | None, typer.Option(help="detector weights: any ultralytics model or ONNX export")
]


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
    gallery: GalleryOption = "nearfar.db",
    out: Annotated[Path, typer.Option(help="folder for tables, report and videos")] = Path("out"),
    detector: DetectorOption = None,
    embedder: EmbedderOption = None,
    device: DeviceOption = "auto",
    fps: Annotated[float | None, typer.Option(min=0.01, help="frames a second to look at")] = None,
    save_video: Annotated[bool, typer.Option(help="write annotated H.264 videos")] = False,
    as_json: JsonOption = False,
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
            progress=bars.update,
            stop=stop,
        )
    crossing = sum(len(i.cameras) > 1 for i in result.identities)
    rate = result.tally.frames / result.seconds
    failed = False
    for c in result.cameras:
        if c.lost:
            say(f"{c.camera}: {c.lost} frames were missing or damaged")
        if c.failure:
            failed = True
            say(f"{c.camera}: ended after {c.frames} frames: {c.failure}")
    if as_json:
        _print_json(
            {
                "cameras": {
                    c.camera: {"frames": c.frames, "lost": c.lost, "failure": c.failure}
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
    image: Annotated[Path, typer.Argument(help="a person's crop, or a whole frame")],
    box: Annotated[str | None, typer.Option(help="x,y,w,h of the person in the frame")] = None,
    height: Annotated[
        float | None, typer.Option(help="the person's true height in px, if enlarged")
    ] = None,
    gallery: GalleryOption = "nearfar.db",
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
    as_json: JsonOption = False,
) -> None:
    """Search the gallery for the person in a picture.

    Example: `nearfar search crop.jpg --top 5 --out answer.html`
    """
    with one_line_errors():
        place, since, until = parse_box(box), parse_time(after), parse_time(before)
        from reid import Embedder
        from storage import Gallery

        from .answers import answer_json, print_answer
        from .query import read_picture, write_page
        from .query import search as run

        picture = read_picture(image)
        eyes = None
        if detector:
            from .detect import Detector

            eyes = Detector.load(detector, device)
        model = Embedder.load(embedder, device)
        with Gallery.open(gallery, model=model.info, read_only=True) as opened:
            answer = run(
                picture,
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
                write_page(out, answer, opened)
    if as_json:
        _print_json(answer_json(answer))
    else:
        print_answer(answer)
        if out:
            typer.echo(f"open {out}")


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="folder for the scene and the results")] = Path("demo"),
    as_json: JsonOption = False,
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
        _print_json(result.to_json())
        return
    typer.echo("detection recall at IoU 0.5, people at least half visible:")
    for camera, recall in result.detection_recall.items():
        typer.echo(f"  {camera:<8} {recall:.3f}")
    typer.echo(f"IDF1 over all cameras, one space of identities: {result.idf1:.3f}")
    typer.echo(f"far people found near at rank 1: {result.search_rank1} of {QUERIES}")
    typer.echo(f"{result.seconds:.0f} s; open {result.report} and {result.search_page}")


@gallery_app.command("info")
def gallery_info(
    gallery: Annotated[str, typer.Argument(help="path or URL of the gallery")] = "nearfar.db",
    as_json: JsonOption = False,
) -> None:
    """Say what a gallery holds.

    Example: `nearfar gallery info nearfar.db`
    """
    from .outputs import iso

    with one_line_errors():
        from storage import Gallery

        with Gallery.open(gallery, read_only=True) as opened:
            info = opened.info()
    facts: dict[str, Any] = {
        "model": f"{info.model.name} {info.model.fingerprint}" if info.model else None,
        "schema": info.schema,
        "cameras": info.cameras,
        "sessions": info.sessions,
        "tracks": info.tracks,
        "observations": info.observations,
        "embeddings": info.embeddings,
        "crops": info.crops,
        "identities": info.identities,
        "first": iso(info.first) if info.first is not None else None,
        "last": iso(info.last) if info.last is not None else None,
        "database_bytes": info.database_bytes,
        "crop_bytes": info.crop_bytes,
    }
    if as_json:
        _print_json(facts)
        return
    for name, value in facts.items():
        typer.echo(f"{name.replace('_', ' '):<16} {value if value is not None else '-'}")


@site_app.command("check")
def site_check(file: Annotated[Path, typer.Argument(help="the site file")]) -> None:
    """Check a site file; say line and key of what is wrong.

    Example: `nearfar site check site.yaml`
    """
    with one_line_errors():
        from .site import read_site

        site = read_site(file)
    typer.echo(
        f"{file}: {len(site.cameras)} cameras, {len(site.overlaps or [])} overlaps, "
        f"{len(site.travel)} travel times"
    )


def _print_json(value: dict[str, Any]) -> None:
    typer.echo(json.dumps(value, indent=2))


def main() -> None:
    """Entry point; Ctrl-C outside a run ends quietly with status 130."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
