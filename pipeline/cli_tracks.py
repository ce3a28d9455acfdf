"""The verbs `track` and `evaluate tracks`: the tracker of one camera on given detections."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .terminal import one_line_errors

if TYPE_CHECKING:
    from tracker import TrackScore

evaluate_app = typer.Typer(help="Hold results against truth.", no_args_is_help=True)

JsonOption = Annotated[bool, typer.Option("--json", help="print one JSON object")]


def add_to(app: typer.Typer) -> None:
    """Adds the verbs to the command `nearfar`."""
    app.add_typer(evaluate_app, name="evaluate")


@evaluate_app.command("tracks")
def evaluate_tracks(
    truth: Annotated[Path, typer.Argument(help="truth: a file, or a folder of sequences")],
    found: Annotated[Path, typer.Argument(help="tracks: a file, or a folder of NAME.txt")],
    as_json: JsonOption = False,
) -> None:
    """Measure tracks against truth, both in MOTChallenge format.

    Example: `nearfar evaluate tracks gt/gt.txt tracks.txt`

    Prints HOTA, DetA, AssA, MOTA and IDF1 in percent, and ID switches. Of two folders, each
    sequence, their mean, and all boxes taken together. True boxes count whose seventh column is
    not 0 and, in files of nine columns, whose class is 1.
    """
    with one_line_errors():
        from tracker import TrackScore, score_tracks

        from .motchallenge import pair_sequences, read_tracks, read_truth

        scores = {
            name: score_tracks(read_truth(true).tracks(), read_tracks(tracks).tracks())
            for name, (true, tracks) in pair_sequences(truth, found).items()
        }
    rows = {name: _figures(score) for name, score in scores.items()}
    if truth.is_dir():
        switches = sum(score.switches for score in scores.values())
        mean = {key: sum(row[key] for row in rows.values()) / len(rows) for key in MEASURES}
        rows["mean"] = {**mean, "switches": switches}
        rows["combined"] = _figures(sum(scores.values(), TrackScore()))
    if as_json:
        typer.echo(json.dumps(rows if truth.is_dir() else next(iter(rows.values())), indent=2))
    else:
        _print_table(rows)


MEASURES = {"hota": "HOTA", "deta": "DetA", "assa": "AssA", "mota": "MOTA", "idf1": "IDF1"}


def _figures(score: TrackScore) -> dict[str, Any]:
    return {**{key: getattr(score, key) for key in MEASURES}, "switches": score.switches}


def _print_table(rows: Mapping[str, Mapping[str, Any]]) -> None:
    width = max(8, *(len(name) for name in rows))
    heads = "".join(f"{head:>7}" for head in MEASURES.values())
    typer.echo(f"{'':<{width}}{heads}{'IDSW':>7}")
    for name, row in rows.items():
        cells = "".join(f"{100 * row[key]:>7.2f}" for key in MEASURES)
        typer.echo(f"{name:<{width}}{cells}{row['switches']:>7}")
