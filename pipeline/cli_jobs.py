"""The verb `jobs`: how far the recordings of a gallery are."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import typer

from .cli_options import HERE, Json, Place, opened_gallery
from .terminal import print_json

if TYPE_CHECKING:
    from storage import Session


def add_to(app: typer.Typer) -> None:
    """Adds the verb to the command `nearfar`."""
    app.command()(jobs)


def jobs(gallery: Place = HERE, as_json: Json = False) -> None:
    """Say how far each recording of a gallery is, how fast it went, and why one stopped.

    Example: `nearfar jobs postgresql://nearfar@db/plaza`

    A recording that is `stopped`, or `running` in a program that is gone, goes on with the same
    `nearfar process` call, on this machine or over another cluster.
    """
    with opened_gallery(gallery, read_only=True) as opened:
        recordings = [s for s in opened.sessions() if s.frames is not None]
    facts = [_facts(s, time.time()) for s in recordings]
    if as_json:
        print_json({"recordings": facts})
    elif not facts:
        typer.echo(f"{gallery} holds no recordings")
    else:
        _print(facts)


def _facts(session: Session, now: float) -> dict[str, Any]:
    took = session.updated - session.created
    return {
        "camera": session.camera,
        "source": session.source,
        "state": session.state,
        "frames": session.position,
        "of": session.frames,
        "frames_a_second": round(session.position / took, 1) if took > 0 else None,
        "stored_seconds_ago": round(max(now - session.updated, 0.0), 1),
        "lost": session.frames_lost,
        "failure": session.failure,
    }


def _print(facts: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    names = ("camera", "state", "frames", "of", "a second", "last stored", "failure")
    table = Table(*names, box=None, pad_edge=False)
    for f in facts:
        rate = "-" if f["frames_a_second"] is None else f"{f['frames_a_second']:.1f}"
        ago = f"{f['stored_seconds_ago']:.0f} s ago"
        cells = (f["camera"], f["state"], f["frames"], f["of"], rate, ago)
        table.add_row(*map(str, cells), f["failure"] or "")
    Console(highlight=False, markup=False).print(table)
    done = sum(f["state"] == "done" for f in facts)
    typer.echo(f"{done} of {len(facts)} recordings are done")
