"""The command `nearfar gallery spread`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from .cli_options import Json, Place
from .terminal import one_line_errors, print_json

if TYPE_CHECKING:
    from .cluster.holding import HeldPart


def register(app: typer.Typer) -> None:
    """Adds the command to those of a gallery."""
    app.command()(spread)


def spread(
    gallery: Place,
    ray: Annotated[str, typer.Option(help="address of a Ray cluster")],
    parts: Annotated[
        int | None, typer.Option(min=1, help="about how many; one a node if not given")
    ] = None,
    window: Annotated[
        str, typer.Option(help="cut at whole hours, days, ... of UTC, like 12h or 30d")
    ] = "1d",
    end: Annotated[bool, typer.Option("--end", help="have the nodes forget it")] = False,
    as_json: Json = False,
) -> None:
    """Spread a gallery over the memory of a cluster's nodes, for searches with --ray.

    Example: `nearfar gallery spread postgresql://nearfar@db/plaza --ray 10.0.0.1:6379 --window 30d`

    It is cut by time, and by cameras where much happened at one time, into parts with about as many
    rows. New rows come to the nodes with each search; call it again when the parts have become
    uneven, or the cluster larger.
    """
    with one_line_errors():
        from .cluster.holding import gather
        from .cluster.holding import spread as run
        from .units import parse_age

        if end:
            gather(ray, gallery)
            held = []
        else:
            held = run(ray, gallery, parts, parse_age(window) or 0)
    if as_json:
        print_json({"parts": [{**asdict(h.part), "rows": h.rows, "node": h.node} for h in held]})
    elif end:
        typer.echo(f"{gallery} lies on no cluster any more")
    else:
        _print(held)


def _print(held: list[HeldPart]) -> None:
    from rich.console import Console
    from rich.table import Table

    from .outputs import iso

    table = Table("from", "to", "cameras", "rows", "node", box=None, pad_edge=False)
    for h in held:
        since, until = (None if t is None else iso(t) for t in (h.part.after, h.part.before))
        cameras = "all" if h.part.cameras is None else ", ".join(h.part.cameras)
        if h.part.but:
            cameras += f" but {', '.join(h.part.but)}"
        table.add_row(since or "-", until or "-", cameras, str(h.rows), h.node[:8])
    Console(highlight=False, markup=False).print(table)
