"""The commands `nearfar gallery export`, `import`, `copy` and `reindex`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from .cli_options import DeviceOption, Json, Place
from .terminal import CameraBars, one_line_errors, print_json

CropsOption = Annotated[
    str | None, typer.Option("--crops", help="pictures of a new gallery: folder or inside")
]


def export(
    gallery: Place,
    folder: Annotated[Path, typer.Argument(help="a new folder")],
    as_json: Json = False,
) -> None:
    """Write all of a gallery to a folder: a CSV file a table, the pictures, a manifest.

    Example: `nearfar gallery export nearfar.db backup`
    """
    with one_line_errors():
        import storage

        with storage.Gallery.open(gallery) as opened:
            found = storage.export(opened, folder)
    _print_contents(found, f"{gallery} written to {folder}", as_json)


def import_(
    folder: Annotated[Path, typer.Argument(help="what export wrote")],
    gallery: Annotated[str, typer.Argument(help="path or URL of a new gallery")],
    crops: CropsOption = None,
    as_json: Json = False,
) -> None:
    """Read what export wrote into a new gallery, and compare.

    Example: `nearfar gallery import backup nearfar.db`
    """
    with one_line_errors():
        import storage

        storage.read_manifest(folder)
        with storage.Gallery.open(gallery, create=True, crops=_crops(crops)) as opened:
            found = storage.import_(folder, opened)
    _print_contents(found, f"{folder} read into {gallery}", as_json)


def copy(
    source: Annotated[str, typer.Argument(help="path or URL of a gallery")],
    target: Annotated[str, typer.Argument(help="path or URL of a new gallery")],
    crops: CropsOption = None,
    as_json: Json = False,
) -> None:
    """Copy a gallery to another place, SQLite or PostgreSQL, and compare counts and hashes.

    Example: `nearfar gallery copy nearfar.db postgresql://server/people`
    """
    with one_line_errors():
        import storage

        with (
            storage.Gallery.open(source) as old,
            storage.Gallery.open(target, create=True, crops=_crops(crops)) as new,
        ):
            found = storage.copy(old, new)
    _print_contents(found, f"{source} copied", as_json)


def reindex(
    gallery: Annotated[str, typer.Argument(help="path or URL of the gallery")] = "nearfar.db",
    embedder: Annotated[
        Path | None, typer.Option(help="embedder weights, the own ones if none")
    ] = None,
    device: DeviceOption = "auto",
    as_json: Json = False,
) -> None:
    """Embed the stored pictures anew with another model; the old vectors serve until the end.

    Example: `nearfar gallery reindex nearfar.db --embedder new.onnx`

    When it is broken off, the same call goes on. The levels of the two models must be the same.
    """
    with one_line_errors(), CameraBars(quiet=as_json) as bars:
        import storage
        from reid import Embedder

        from .reindexing import embedding

        model = Embedder.load(embedder, device)
        with storage.Gallery.open(gallery) as opened:
            done = storage.reindex(
                opened,
                model.info,
                embedding(model),
                lambda now, total: bars.update("vectors", now, total),
            )
    if as_json:
        print_json({"vectors": done.vectors, "lost": done.lost})
        return
    typer.echo(f"{gallery} holds {done.vectors} vectors of {model.info.name}")
    if done.lost:
        typer.echo(f"{done.lost} observations have no picture, and no vector any more")


def register(app: typer.Typer) -> None:
    """Adds the commands to those of a gallery."""
    app.command("export")(export)
    app.command("import")(import_)
    app.command("copy")(copy)
    app.command("reindex")(reindex)


def _crops(text: str | None) -> Any:
    from .errors import CallError

    if text not in (None, "folder", "inside"):
        raise CallError(f"--crops is folder or inside, not {text!r}")
    return text


def _print_contents(found: Any, what: str, as_json: bool) -> None:
    if as_json:
        print_json({name: {"rows": d.rows, "sha256": d.sha256} for name, d in found.items()})
        return
    typer.echo(
        f"{what}: {found['track'].rows} tracks, {found['observation'].rows} observations, "
        f"{found['crop'].rows} pictures, compared"
    )
