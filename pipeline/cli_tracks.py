"""The verbs `track` and `evaluate tracks`: the tracker of one camera on given detections."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .cli_options import Json
from .terminal import CameraBars, one_line_errors

if TYPE_CHECKING:
    from tracker import TrackScore

evaluate_app = typer.Typer(help="Hold results against truth.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Adds the verbs to the command `nearfar`."""
    app.command()(track)
    app.add_typer(evaluate_app, name="evaluate")


def track(
    detections: Annotated[Path, typer.Argument(help="detections in MOTChallenge format")],
    out: Annotated[Path, typer.Option(help="file for the tracks")] = Path("tracks.txt"),
    fps: Annotated[float, typer.Option(min=0.01, help="frames a second, without a video")] = 30.0,
    video: Annotated[
        Path | None, typer.Option(help="recording of a moving camera, to take its motion out")
    ] = None,
    online: Annotated[
        bool, typer.Option("--online", help="write what was known at each frame, nothing later")
    ] = False,
    as_json: Json = False,
) -> None:
    """Run the tracker of one camera on given detections.

    Example: `nearfar track det/det.txt --fps 30 --out tracks.txt`

    Rows are frame, id, x, y, w, h, score; the id is not read, and rows may stand in any order. The
    tracks are written in the same format, with score 0 where no detection was: gaps are closed and
    boxes made smooth, since a file is known to its end. `--online` leaves that out; it writes an
    unseen person's box for a moment, where motion leads.
    """
    with one_line_errors(), CameraBars(quiet=as_json) as bars:
        from .files import write_text
        from .motchallenge import written
        from .tracking import track_file

        name = detections.name
        result = track_file(
            detections, fps, video, online, progress=lambda i, n: bars.update(name, i, n)
        )
        write_text(out, written(result.table))
    facts = {
        "frames": result.frames,
        "detections": result.detections,
        "tracks": result.tracks,
        "boxes": len(result.table),
        "added": result.added,
        "seconds": round(result.seconds, 3),
        "out": str(out),
    }
    if as_json:
        typer.echo(json.dumps(facts, indent=2))
        return
    typer.echo(
        f"{result.tracks} tracks of {result.detections} detections in {result.frames} frames, "
        f"{result.added} boxes added; {result.seconds:.2f} s"
    )
    typer.echo(f"wrote {out}")


@evaluate_app.command("tracks")
def evaluate_tracks(
    truth: Annotated[Path, typer.Argument(help="truth: a file, or a folder of sequences")],
    found: Annotated[Path, typer.Argument(help="tracks: a file, or a folder of NAME.txt")],
    as_json: Json = False,
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
            name: score_tracks(read_truth(true), read_tracks(tracks))
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
