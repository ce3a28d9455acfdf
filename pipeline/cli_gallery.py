"""The commands `nearfar gallery ...` that look into a gallery and correct it; the others' table."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Literal

import typer

from . import cli_copies, cli_life, cli_parts
from .cli_options import HERE, Json, Place, PlaceOption, opened_gallery
from .errors import CallError
from .terminal import one_line_errors, print_json, say

app = typer.Typer(help="Look into a gallery, correct it, remove from it.", no_args_is_help=True)
audit_app = typer.Typer(help="Who did what.", no_args_is_help=True)
app.add_typer(audit_app, name="audit")
cli_copies.register(app)
cli_life.register(app)
cli_parts.register(app)


@app.command("info")
def info(gallery: Place = HERE, as_json: Json = False) -> None:
    """Say what a gallery holds.

    Example: `nearfar gallery info nearfar.db`
    """
    from .outputs import iso

    with opened_gallery(gallery, read_only=True) as opened:
        held = opened.info()
    facts: dict[str, Any] = {
        "model": f"{held.model.name} {held.model.fingerprint}" if held.model else None,
        "schema": held.schema,
        "cameras": held.cameras,
        "sessions": held.sessions,
        "tracks": held.tracks,
        "observations": held.observations,
        "embeddings": held.embeddings,
        "crops": held.crops,
        "identities": held.identities,
        "first": iso(held.first) if held.first is not None else None,
        "last": iso(held.last) if held.last is not None else None,
        "database_bytes": held.database_bytes,
        "crop_bytes": held.crop_bytes,
    }
    if as_json:
        print_json(facts)
        return
    for name, value in facts.items():
        typer.echo(f"{name.replace('_', ' '):<16} {value if value is not None else '-'}")


@app.command("search-in")
def search_in(
    gallery: Place,
    place: Annotated[str, typer.Argument(help="memory or database")],
    as_json: Json = False,
) -> None:
    """Have searches compare in memory, or inside a PostgreSQL database by pgvector.

    Example: `nearfar gallery search-in postgresql://me@server/people database`

    Results are the same. Memory is faster; the database takes none of it, and twice the room on
    disk for a second copy of the vectors.
    """
    with one_line_errors():
        from storage import Gallery

        if place not in ("memory", "database"):
            raise CallError(f"searches are in memory or in the database, not {place!r}")
        chosen: Literal["memory", "database"] = "database" if place == "database" else "memory"
        with Gallery.open(gallery, search=chosen) as opened:
            where = opened.searched_in
    if as_json:
        print_json({"searched_in": where})
    else:
        typer.echo(f"{gallery} is searched in {'the database' if where == 'database' else where}")


@app.command("check")
def check(
    gallery: Place = HERE,
    repair: Annotated[bool, typer.Option("--repair", help="mend what can be mended")] = False,
    as_json: Json = False,
) -> None:
    """Say what is wrong with a gallery: pages, keys, vectors, times, pictures, models.

    Example: `nearfar gallery check nearfar.db --repair`

    Reads every picture. The exit status is 1 if anything is (still) wrong.
    """
    done: tuple[str, ...] = ()
    with opened_gallery(gallery, read_only=not repair) as opened:
        if repair:
            mended = opened.repair()
            done, wrong = mended.done, list(mended.left)
        else:
            wrong = opened.check()
    if as_json:
        print_json({"repaired": list(done), "wrong": wrong})
    else:
        for line in done:
            typer.echo(f"repaired: {line}")
        for line in wrong:
            typer.echo(f"wrong: {line}")
        if not wrong:
            typer.echo(f"{gallery} is sound")
    if wrong:
        raise typer.Exit(1)


@app.command("merge")
def merge(
    into: Annotated[int, typer.Argument(help="identity that stays")],
    others: Annotated[list[int], typer.Argument(help="identities that are the same person")],
    gallery: PlaceOption = HERE,
) -> None:
    """Say that identities are one person; later runs keep to it.

    Example: `nearfar gallery merge 3 7 9 --gallery nearfar.db`
    """
    with opened_gallery(gallery) as opened:
        opened.people.merge(into, others)
    typer.echo(f"{', '.join(map(str, others))} merged into identity {into}")


@app.command("split")
def split(
    identity: Annotated[int, typer.Argument(help="identity that is two persons")],
    tracks: Annotated[list[int], typer.Argument(help="tracks of the other person")],
    gallery: PlaceOption = HERE,
    as_json: Json = False,
) -> None:
    """Say that some tracks of an identity are another person; later runs keep to it.

    Example: `nearfar gallery split 3 41 42 --gallery nearfar.db`
    """
    with opened_gallery(gallery) as opened:
        made = opened.people.split(identity, tracks).identity
    if as_json:
        print_json({"identity": made, "tracks": tracks})
    else:
        typer.echo(f"{len(tracks)} tracks of identity {identity} are identity {made} now")


@app.command("confirm")
def confirm(
    track: Annotated[int, typer.Argument(help="number of the track")],
    gallery: PlaceOption = HERE,
) -> None:
    """Say that a track is of the identity that it has; later runs keep to it.

    Example: `nearfar gallery confirm 41 --gallery nearfar.db`
    """
    with opened_gallery(gallery) as opened:
        identity = opened.people.confirm(track).identity
    typer.echo(f"track {track} is identity {identity}")


@app.command("reject")
def reject(
    track: Annotated[int, typer.Argument(help="number of the track")],
    gallery: PlaceOption = HERE,
) -> None:
    """Say that a track is not of the identity that it has; later runs keep to it.

    Example: `nearfar gallery reject 41 --gallery nearfar.db`
    """
    with opened_gallery(gallery) as opened:
        identity = opened.people.reject(track).identity
    typer.echo(f"track {track} is not identity {identity}")


@app.command("history")
def history(
    gallery: Place = HERE,
    identity: Annotated[int | None, typer.Option(help="only what befell this one")] = None,
    as_json: Json = False,
) -> None:
    """List merges and splits of identities.

    Example: `nearfar gallery history nearfar.db --identity 7`
    """
    from .outputs import iso

    with opened_gallery(gallery, read_only=True) as opened:
        changes = opened.people.history(identity)
    if as_json:
        print_json({"changes": [asdict(change) for change in changes]})
        return
    for change in changes:
        target = "nobody" if change.target is None else f"identity {change.target}"
        typer.echo(
            f"{iso(change.time)}  {change.kind}  {change.tracks} tracks of identity "
            f"{change.source} to {target}"
        )


@audit_app.command("show")
def audit_show(
    gallery: Place = HERE,
    action: Annotated[str | None, typer.Option(help="only this kind, like erase")] = None,
    as_json: Json = False,
) -> None:
    """List what was done, by whom and when.

    Example: `nearfar gallery audit show nearfar.db --action erase`
    """
    import json

    from .outputs import iso

    with opened_gallery(gallery, read_only=True) as opened:
        entries = opened.audit.entries(action)
    if as_json:
        print_json({"entries": [asdict(entry) for entry in entries]})
        return
    for entry in entries:
        facts = json.dumps(entry.details)
        typer.echo(f"{entry.id}  {iso(entry.time)}  {entry.actor}  {entry.action}  {facts}")


@audit_app.command("verify")
def audit_verify(
    gallery: Place = HERE,
    expect: Annotated[
        str | None, typer.Option(help="a hash that this command printed earlier")
    ] = None,
    as_json: Json = False,
) -> None:
    """Check that no row of the audit log was changed or removed.

    Example: `nearfar gallery audit verify nearfar.db`

    Keep the hash that it prints elsewhere: given as `--expect` later, it also tells of rows that
    were cut off the end. The exit status is 1 if the log does not hold.
    """
    with opened_gallery(gallery, read_only=True) as opened:
        proof = opened.audit.verify(expect)
    if as_json:
        print_json(asdict(proof))
    elif proof.broken is None:
        typer.echo(f"{proof.rows} rows hold together; the last hash is {proof.last}")
    else:
        say(f"the audit log does not hold: {proof.broken}")
    if proof.broken is not None:
        raise typer.Exit(1)


@audit_app.command("searches")
def audit_searches(
    wanted: Annotated[str, typer.Argument(help="on or off")], gallery: PlaceOption = HERE
) -> None:
    """Have searches noted from now on: who, when, a hash of the picture, the numbers found.

    Example: `nearfar gallery audit searches on --gallery nearfar.db`

    Then a search needs to write to the gallery. The change itself is noted in any case.
    """
    with one_line_errors():
        from .errors import CallError

        if wanted not in ("on", "off"):
            raise CallError(f"on or off, not {wanted!r}")
    with opened_gallery(gallery) as opened:
        opened.audit.note_searches(wanted == "on")
    typer.echo(f"searches are {'' if wanted == 'on' else 'not '}noted")
