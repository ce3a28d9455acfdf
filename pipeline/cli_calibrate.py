"""The verb `calibrate`: probabilities fitted anew to what people decided."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .cli_options import HERE, Json, PlaceOption, opened_gallery
from .terminal import print_json

if TYPE_CHECKING:
    from reid import ModelInfo
    from tracker import Refit


def add_to(app: typer.Typer) -> None:
    """Adds the verb to the command `nearfar`."""
    app.command()(calibrate)


def calibrate(
    gallery: PlaceOption = HERE,
    site: Annotated[Path | None, typer.Option(help="site file, for the linker's prior")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only say what would be")] = False,
    reset: Annotated[bool, typer.Option("--reset", help="back to the embedder's own")] = False,
    as_json: Json = False,
) -> None:
    """Fit probabilities to what people said of the links: same or different, is or is not.

    Example: `nearfar calibrate --gallery plaza.db`

    ```
    nearfar serve --gallery plaza.db       # Review: s same, d different
    nearfar calibrate --gallery plaza.db --dry-run
    nearfar calibrate --gallery plaza.db   # searches, linking, a watch
                                           # and the console go by it
    nearfar calibrate --gallery plaza.db --reset
    ```

    It takes 30 decisions, 5 of each kind, about 5 persons. At each pair of levels the calibration
    that came with the embedder counts as 30 decisions, so few change little. Nothing is kept
    unless decisions about persons that the fit did not see are foretold better.
    """
    with opened_gallery(gallery, read_only=dry_run) as opened:
        from .calibrating import calibrate as run
        from .calibrating import facts, keep
        from .errors import PipelineError
        from .site import Site, read_site

        if reset:
            was = opened.recalibration.reset()
            said = "the embedder's own calibration is used" + (" again" if was else " as before")
            if as_json:
                print_json({"reset": was})
            else:
                typer.echo(said)
            return
        found = run(opened, (read_site(site) if site else Site()).link)
        worse: PipelineError | None = None
        if not dry_run:
            try:
                keep(opened, found)
            except PipelineError as error:
                worse = error
        if as_json:
            kept = not dry_run and worse is None
            print_json({**facts(found), "kept": kept, "calibration": found.calibration.to_json()})
        else:
            assert opened.model is not None
            _print(found, opened.model)
        if worse:
            raise worse
    if not as_json:
        typer.echo("nothing is kept" if dry_run else f"kept in {gallery}")


def _print(found: Refit, model: ModelInfo) -> None:
    typer.echo(f"{found.same:.0f} decisions said same, {found.different:.0f} different")
    for one in found.levels:
        low, high = (model.levels.heights[level - 1] for level in one.levels)
        typer.echo(
            f"  {low:>4} with {high:>4} px: {one.same:6.1f} same, {one.different:6.1f} different; "
            f"evidence = {one.offset:+.2f} nats {one.factor:+.2f} x as before"
        )
    typer.echo(
        "on persons that the fit did not see: calibration error "
        f"{found.before.error:.3f} before, {found.after.error:.3f} after; nats lost a decision "
        f"{found.before.loss:.3f} before, {found.after.loss:.3f} after"
    )
