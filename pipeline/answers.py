"""How the answer to a search looks on the command line: a table or plain values."""

from __future__ import annotations

from typing import Any

import typer
from rich.console import Console
from rich.table import Table

from .outputs import iso
from .pages import span
from .query import NOTHING, Answer


def answer_json(answer: Answer) -> dict[str, Any]:
    """What a search found as plain values."""
    return {
        "known": answer.known,
        "height": answer.height,
        "level": answer.level,
        "hits": [
            {
                "identity": hit.identity,
                "probability": round(hit.probability, 4),
                "level": hit.level,
                "distance": round(hit.distance, 4),
                "camera": hit.best.camera,
                "time": iso(hit.best.time),
                "box": [round(v, 1) for v in hit.best.box],
                "appearances": [
                    {"camera": a.camera, "first": iso(a.first), "last": iso(a.last)}
                    for a in hit.appearances
                ],
            }
            for hit in answer.hits
        ],
    }


def print_answer(answer: Answer) -> None:
    """What a search found as lines and a table on standard output."""
    typer.echo(f"query: {answer.height:.0f} px, level {answer.level}")
    if not answer.hits:
        typer.echo(f"unknown: {NOTHING}")
        return
    if not answer.known:
        typer.echo("unknown: nobody in the gallery is likely to be this person")
    table = Table("identity", "probability", "compared at", "seen", box=None, pad_edge=False)
    for hit in answer.hits:
        seen = "\n".join(f"{a.camera} {span(a.first, a.last)}" for a in hit.appearances)
        name = "-" if hit.identity is None else str(hit.identity)
        table.add_row(name, f"{hit.probability:.2f}", f"level {hit.level}", seen)
    Console(highlight=False, markup=False).print(table)
